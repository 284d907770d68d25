"""What every request passes: an id, one spelling of its path, limits, JSON errors.

Each class works in sync and async chains without a thread hop of its own. Django's middlewares for
browser sessions cost about two hops each under ASGI; the subclasses here let API requests pass
them by (`is_api_path`), for programs sign in by header.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final, cast
from warnings import catch_warnings, simplefilter

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from taskmapr.core.errors import InvalidRequest, NotFound, PayloadTooLarge, TaskMaprError
from taskmapr.foundation.bodies import BODY_BYTES, TOO_LARGE
from taskmapr.foundation.paths import is_api_path, spelled_path
from taskmapr.foundation.problems import problem_in_place_of, problem_response
from taskmapr.foundation.telemetry.logs import bind_only
from taskmapr.foundation.telemetry.requests import request_log, request_measure

GetResponse = Callable[[HttpRequest], Any]
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
#: What `int` reads. Other digits, such as superscripts, and thousands of them are no length.
_LENGTH: Final = re.compile(r"[0-9]{1,19}")


class _Middleware:
    """Calls `before` (may answer at once) and `after` around the rest, in either kind of chain."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self._call: Callable[[HttpRequest], Any] = self._async
        else:
            self._call = self._sync

    def __call__(self, request: HttpRequest) -> Any:
        return self._call(request)

    def _sync(self, request: HttpRequest) -> HttpResponseBase:
        response = self.before(request) or self.get_response(request)
        return self.after(request, response)

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        response = self.before(request) or await self.get_response(request)
        return self.after(request, response)

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response


class RequestIdMiddleware(_Middleware):
    """Takes over a well-formed X-Request-Id or makes one; binds it to the log; sends it back.

    Stands outermost, so it also writes the line about how the request ended.
    """

    def before(self, request: HttpRequest) -> None:
        request.began_at = time.perf_counter()  # type: ignore[attr-defined]
        sent = request.headers.get("X-Request-Id", "")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else str(uuid.uuid4())
        request.request_id = request_id  # type: ignore[attr-defined]
        bind_only(request_id=request_id)

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        if is_api_path(request.path):
            request_log(request, response, since=request.began_at)  # type: ignore[attr-defined]
        request_measure(request, response)
        return response


class EdgeMiddleware(_Middleware):
    """One spelling per path, refusals before any work, and problem bodies for API errors.

    Stands below the CORS middleware, so that its refusals carry CORS headers too.
    """

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        request.path_info = spelled_path(request.path_info)
        try:
            _check(request)
        except TaskMaprError as error:
            return problem_response(error, request)
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not is_api_path(request.path):
            return response  # Django's CommonMiddleware does the rest for pages
        response = problem_in_place_of(response, request)
        if isinstance(response, HttpResponse) and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Before Django makes a page of it, which in debug mode would show the stack."""
        return problem_response(error, request) if is_api_path(request.path) else None


def _check(request: HttpRequest) -> None:
    """Raises PayloadTooLarge, InvalidRequest, or NotFound."""
    try:
        request.get_host()
    except DisallowedHost as error:
        raise InvalidRequest("This host name is not served here.") from error
    if "\x00" in request.path_info:
        raise NotFound  # nothing has such a name, and to ask Postgres for one is an error
    scope = getattr(request, "scope", {})
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not _LENGTH.fullmatch(declared):
        raise InvalidRequest("The Content-Length header is not a number.")
    if scope.get(TOO_LARGE) or int(declared) > settings.TASKMAPR["max_body_bytes"]:
        raise PayloadTooLarge
    if scope.get(BODY_BYTES):
        # A chunked body declares no length, and REST framework takes that for no body.
        request.META["CONTENT_LENGTH"] = str(scope[BODY_BYTES])


class PlainSecurityMiddleware(SecurityMiddleware):
    """As Django's, which only reads and sets headers: no thread needed for that."""

    async def __acall__(self, request: HttpRequest) -> Any:
        refusal = self.process_request(request)
        response = refusal or await cast("Any", self.get_response(request))
        return self.process_response(request, response)


#: Pages of others hold this address, so it never changes.
OVERLAY_SCRIPT: Final = "/static/taskmapr/overlay.js"


class StaticFilesMiddleware(_Middleware):
    """WhiteNoise for async chains: itself it is sync, and would put a thread under every request.

    Files are read whole; what is served here are scripts and styles, not uploads. The overlay's
    script also has the address that other people's pages name, beside the files of tasks.
    """

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        with catch_warnings():
            # Before `collectstatic` there is no directory, and in development never: no news.
            simplefilter("ignore", UserWarning)
            self._files = WhiteNoiseMiddleware(lambda request: None)

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        if request.path_info == OVERLAY_SCRIPT:
            request.path_info = self._files.static_prefix + OVERLAY_SCRIPT.removeprefix("/static/")
        if not request.path_info.startswith(self._files.static_prefix):
            return None
        if (found := self._files(request)) is None:
            return None
        with closing(found):
            body = b"".join(found.streaming_content)
        return HttpResponse(body, status=found.status_code, headers=dict(found.items()))


class _PagesOnly:
    """Lets API requests pass a middleware by."""

    get_response: GetResponse

    def __call__(self, request: HttpRequest) -> Any:
        if is_api_path(request.path):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class PageSessionMiddleware(_PagesOnly, SessionMiddleware):
    pass


class PageCommonMiddleware(_PagesOnly, CommonMiddleware):
    pass


class PageAuthenticationMiddleware(_PagesOnly, AuthenticationMiddleware):
    pass


class PageMessageMiddleware(_PagesOnly, MessageMiddleware):
    pass


class PageXFrameOptionsMiddleware(_PagesOnly, XFrameOptionsMiddleware):
    pass


class PageCsrfMiddleware(_PagesOnly, CsrfViewMiddleware):
    """As Django's, whose check would cost API requests a thread hop even when it does nothing."""

    async def process_view(self, request: HttpRequest, *args: Any) -> Any:  # type: ignore[override]
        if is_api_path(request.path):
            return None
        return await sync_to_async(super().process_view)(request, *args)
