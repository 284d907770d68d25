"""Pages of other origins: which of them may call the API, and what they see of its answers.

Two kinds of origins are let in. *Named* ones stand in `CORS_ALLOWED_ORIGINS` or in an overlay
profile; they may call every API path and send cookies. *Built-in* ones, the desktop application and
pages that this user's own machine serves, may call what lies below /api/v1 and send none. A token
is needed in either case: an origin opens no door, it only may knock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import SplitResult

from corsheaders.middleware import (
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    CorsMiddleware,
)
from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string

from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import database_is_away, loss_noted
from taskmapr.foundation.origins import Origins
from taskmapr.foundation.paths import is_api_path, spelled_path

#: Seconds for which a process lets in whom the profiles named when it last looked.
FRESH_S: Final = 3.0

_DESKTOP: Final = "app://"
_OWN_MACHINE: Final = Origins(["http://localhost:*"])
_BUILT_IN_PATHS: Final = "/api/v1/"
#: Told for paths that do not exist, so that a page can read the 404.
_EVERY_METHOD: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_READING: Final = ("GET", "HEAD", "OPTIONS")


class ProfileOrigins:
    """The origins of the profiles, as last read by `source`."""

    def __init__(self, source: Callable[[], Iterable[str]]) -> None:
        self._source = source
        self._origins: Origins | None = None
        self._stale_at = 0.0

    def __contains__(self, origin: str) -> bool:
        return self._origins is not None and origin in self._origins

    @property
    def is_stale(self) -> bool:
        return time.monotonic() >= self._stale_at

    def read(self) -> None:
        """Ask the source. While it is away, what was known holds on."""
        if self._origins is not None:
            self._postpone()  # others need not wait for this reading
        try:
            self._origins = Origins(self._source())
        except Error as error:
            if not loss_noted(error):
                raise
        self._postpone()

    def _postpone(self) -> None:
        self._stale_at = time.monotonic() + FRESH_S


class CrossOriginMiddleware(CorsMiddleware):
    """Stands above all that may refuse a request, so that pages can read every refusal.

    A request without Origin costs no look at the profiles, one with a named origin neither.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._settings = Origins(settings.CORS_ALLOWED_ORIGINS)
        self._profiles = ProfileOrigins(import_string(settings.TASKMAPR_ORIGINS))

    def __call__(self, request: HttpRequest) -> Any:
        if not self.async_mode and self._must_look(request):
            self._profiles.read()
        return super().__call__(request)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        if self._must_look(request):
            await in_database(self._profiles.read)
        return await super().__acall__(request)

    def is_enabled(self, request: HttpRequest) -> bool:
        return is_api_path(request.path_info) or request.path_info == "/"

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        return origin in self._settings or origin in self._profiles

    def check_signal(self, request: HttpRequest) -> bool:
        """The library's last question about a request. It would send a signal; we need none."""
        origin = request.headers["Origin"].lower()
        is_known = origin.startswith(_DESKTOP) or origin in _OWN_MACHINE
        return is_known and request.path_info.startswith(_BUILT_IN_PATHS)

    def add_response_headers(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        super().add_response_headers(request, response)
        # Static files are open to every origin and say so by themselves, also to requests without.
        origin = request.headers.get("Origin")
        if origin is None or ACCESS_CONTROL_ALLOW_ORIGIN not in response.headers:
            return response
        if not self._is_named(origin):
            del response.headers[ACCESS_CONTROL_ALLOW_CREDENTIALS]
        if request.method == "OPTIONS":
            methods = ", ".join(path_methods(request.path_info))
            response.headers[ACCESS_CONTROL_ALLOW_METHODS] = methods
        return response

    def _is_named(self, origin: str) -> bool:
        return origin in self._settings or origin in self._profiles

    def _must_look(self, request: HttpRequest) -> bool:
        origin = request.META.get("HTTP_ORIGIN")
        if origin is None or origin in self._settings or not self.is_enabled(request):
            return False
        return self._profiles.is_stale and not database_is_away()


def path_methods(path: str) -> tuple[str, ...]:
    """The methods that a path has; every method for a path that does not exist."""
    try:
        view: Any = resolve(spelled_path(path)).func
    except Resolver404:
        return _EVERY_METHOD
    handlers = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if handlers is None:
        return _READING  # what is no class here only tells something
    # Django answers HEAD wherever there is a GET.
    return tuple(
        name
        for name in _EVERY_METHOD
        if name.lower() in handlers.http_method_names
        and hasattr(handlers, name.lower().replace("head", "get"))
    )
