"""API views whose handlers run on the event loop and may stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskmapr.foundation.aio import in_database
from taskmapr.foundation.telemetry.logs import bind


class StreamingAPIView(APIView):
    """An APIView with async handlers, which may answer a StreamingHttpResponse.

    One hop to a database thread does all that is sync (authentication, permissions, throttles, and
    reading `request.data`, and `prepare`); the handler then runs on the event loop, holds no
    connection, and reaches services only through `in_database`. Errors are problems, as everywhere.
    """

    #: What `prepare` found.
    prepared: Any = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        handlers = [
            getattr(cls, name)
            for name in cls.http_method_names
            if name != "options" and hasattr(cls, name)
        ]
        if not all(iscoroutinefunction(handler) for handler in handlers):
            raise TypeError(f"Every handler of {cls.__name__} must be a coroutine function.")
        return super().as_view(**initkwargs)

    async def dispatch(  # type: ignore[override]
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            user_id = await in_database(self._begin, self.request)
            bind(user_id=user_id)
            response: HttpResponseBase = await self._handler()(self.request, *args, **kwargs)
        except Exception as error:
            response = self.handle_exception(error)
        finished = self._finished(response)
        self._circles_open()
        return finished

    def _circles_open(self) -> None:
        """REST framework's request names itself, and Django gives a view with `get` its own method
        as `head`. Without these circles both go by themselves, not in crowds that the collector has
        to find."""
        self.request.parser_context.clear()
        vars(self).pop("head", None)

    def prepare(self, request: Request) -> Any:
        """Sync work that comes before anything else of a POST, in the hop that admits it: a hop
        of its own would cost as much as a query."""

    def _begin(self, request: Request) -> Any:
        """All that is sync about a request. Returns the id of the principal, if there is one."""
        self.initial(request, *self.args, **self.kwargs)
        user_id = getattr(request.user, "pk", None)
        bind(user_id=user_id)  # for what this thread logs
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            _ = request.data  # parses the body here; broken JSON is refused before the handler
        if request.method == "POST":
            self.prepared = self.prepare(request)
        return user_id

    def _handler(self) -> Callable[..., Awaitable[HttpResponseBase]]:
        name = (self.request.method or "").lower()
        if name == "options":
            return self._options
        allowed = name in self.http_method_names
        return getattr(self, name, self._refused) if allowed else self._refused

    async def _options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return Response(status=204)

    async def _refused(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.http_method_not_allowed(request, *args, **kwargs)

    def _finished(self, response: HttpResponseBase) -> HttpResponseBase:
        """A Response needs REST framework's finish; others are complete and only get headers."""
        if isinstance(response, Response):
            whole = self.finalize_response(self.request, response, *self.args, **self.kwargs)
            return cast(HttpResponseBase, whole.render())
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response
