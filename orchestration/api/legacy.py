"""The older doorways: one answer per message, and streams that a plain EventSource can open.

Both ask like `/api/taskmapr/orchestrate`; the session's key stands in the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from orchestration.api import described
from orchestration.api.asking import AskingView, reading_of
from orchestration.api.streams import event_id_of
from orchestration.page.request import OverlayRequest, parse_request
from taskmapr.users.authentication import QueryTokenPrincipal


class ChatApi(AskingView):
    """Say something in a session and wait for the whole answer."""

    @described.CHAT
    async def post(self, request: Request, session_key: str) -> HttpResponseBase:
        reading = await self.start(request, _in_session(request.data, session_key))
        body = await reading.body()
        return reading.json({**body, "session_key": session_key, "response": body["content"]})


class ChatStreamApi(AskingView):
    """Say something in a session by opening an address; the answer is a stream.

    An EventSource comes back by itself, to the same address and with the last id that it saw. That
    goes on with the run and begins none.
    """

    authentication_classes = (QueryTokenPrincipal,)
    counted_methods = ("GET",)
    #: No HEAD: it would begin a run whose answer nobody hears.
    http_method_names = ["get", "options"]

    @described.CHAT_STREAM
    async def get(self, request: Request, session_key: str) -> HttpResponseBase:
        query = request.query_params
        if cursor := request.headers.get("Last-Event-ID") or query.get("last_event_id"):
            run_id, after = event_id_of(cursor)
            reading = await reading_of(request, run_id, after=after)
            # The one status that tells an EventSource not to come back.
            return HttpResponse(status=204) if reading.is_told else reading.stream()
        return (await self.start(request, _in_session(_body_of(query), session_key))).stream()


def _in_session(body: Any, session_key: str) -> OverlayRequest:
    """The path wins over a session that the body names. Raises InvalidInput."""
    return parse_request({**body, "sessionId": session_key} if isinstance(body, dict) else body)


def _body_of(query: Mapping[str, str]) -> dict[str, str | None]:
    return {name: query.get(name) for name in ("prompt", "message", "profile")}
