"""What the browser may load and run on our pages: only what this server itself sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER: Final = "Content-Security-Policy"

_COMMON: Final = (
    "default-src 'none'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
)
#: Pages of ours: scripts and styles are files of this server, nothing stands inline.
PAGE_POLICY: Final = _COMMON + "script-src 'self'; style-src 'self'"
#: The admin's theme evaluates expressions in attributes (Alpine) and writes its colours inline; its
#: scripts are files.
ADMIN_POLICY: Final = _COMMON + "script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"


#: The API pages write styles inline; Redoc searches in a worker that it makes of a blob.
DOCS_POLICY: Final = _COMMON + "script-src 'self'; style-src 'self' 'unsafe-inline'"
REDOC_POLICY: Final = DOCS_POLICY + "; worker-src blob:"

#: By the beginning of the path; the first that fits.
_POLICIES: Final = (("/admin/", ADMIN_POLICY), ("/docs", DOCS_POLICY), ("/redoc", REDOC_POLICY))


class ContentPolicyMiddleware:
    """Sets the policy on HTML answers; a policy that a view has set stays."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._async(request)
        return _with_policy(request, self.get_response(request))

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        return _with_policy(request, await self.get_response(request))


def _with_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.headers.get("Content-Type", "").startswith("text/html"):
        fitting = (p for path, p in _POLICIES if request.path_info.startswith(path))
        response.headers.setdefault(HEADER, next(fitting, PAGE_POLICY))
    return response
