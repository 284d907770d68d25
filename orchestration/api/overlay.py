"""The overlay's doorway: ask, resume, cancel, history."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestration.api import described
from orchestration.api.asking import AskingView, name_of, reading_of, user_of
from orchestration.api.settling import rows_running, rows_settle, settled
from orchestration.api.streams import event_id_of, uuid_of, wants_json
from orchestration.models import Run
from orchestration.page.request import parse_request
from orchestration.selectors.runs import approvals_open, run_owned
from orchestration.selectors.sessions import SessionMessage
from orchestration.services.pausing import approval_resolve
from orchestration.standby.anywhere import cancel_anywhere, history_anywhere
from taskmapr.core.errors import InvalidInput, NotFound, RunNotFound
from taskmapr.core.run_state import RUNNING
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.users.authentication import QueryTokenPrincipal
from taskmapr.users.scopes import Scope

MAX_HISTORY: Final = 200


class OrchestrateApi(AskingView):
    """Ask about a page. Answers as a stream of events, or as JSON when asked for."""

    @described.ORCHESTRATE
    async def post(self, request: Request) -> HttpResponseBase:
        if last_event_id := request.headers.get("Last-Event-ID"):
            run_id, after = event_id_of(last_event_id)
            return (await reading_of(request, run_id, after=after)).stream()
        asked_for = parse_request(request.data)
        reading = await self.start(request, asked_for)
        if wants_json(request, asked_for.stream):
            return reading.json(await reading.body())
        return reading.stream()


class RunStreamApi(StreamingAPIView):
    """Follow a run from any of its events."""

    authentication_classes = (QueryTokenPrincipal,)
    required_scope = (Scope.OVERLAY, Scope.RUNS_READ)

    @described.RUN_STREAM
    async def get(self, request: Request, run_id: str) -> HttpResponseBase:
        cursor = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id")
        wanted = uuid_of(run_id)
        if wanted is None:
            raise RunNotFound
        named, after = event_id_of(cursor) if cursor else (wanted, 0)
        if named != wanted:
            raise InvalidInput.of(("Last-Event-ID", "names another run than the address"))
        return (await reading_of(request, wanted, after=after)).stream()


class RunApi(StreamingAPIView):
    """The state of a run, and what it waits for."""

    required_scope = (Scope.OVERLAY, Scope.RUNS_READ)

    class OutputSerializer(serializers.ModelSerializer[Run]):
        run_id = serializers.UUIDField(source="pk")
        sessionId = serializers.CharField(source="session_id", allow_null=True)

        class Meta:
            model = Run
            fields = (
                "run_id",
                "kind",
                "status",
                "sessionId",
                "model",
                "attempt",
                "input_tokens",
                "output_tokens",
                "cost_usd_micros",
                "first_output_ms",
                "duration_ms",
                "error_code",
                "error_message",
                "reason",
                "created_at",
                "started_at",
                "finished_at",
            )

    @described.RUN
    async def get(self, request: Request, run_id: str) -> HttpResponseBase:
        wanted, user_id = _known(run_id), user_of(request).pk
        body = await settled(
            partial(in_database, self._told, wanted, user_id),
            running=lambda body: [wanted] if body["status"] == RUNNING else [],
        )
        return Response(body)

    def _told(self, run_id: UUID, user_id: UUID) -> dict[str, Any]:
        run = run_owned(run_id=run_id, user_id=user_id)
        waiting = [
            {
                "approval_id": str(approval.pk),
                "asks": approval.asks,
                "tool": approval.tool,
                "call_id": approval.call_id,
                "fingerprint": approval.fingerprint,
                "expires_at": approval.expires_at,
            }
            for approval in approvals_open(run_id=run.pk)
        ]
        return {**self.OutputSerializer(run).data, "waits_for": waiting}


class RunCancelApi(APIView):
    """Stop a run."""

    required_scope = (Scope.OVERLAY, Scope.RUNS_WRITE)

    @described.RUN_CANCEL
    def post(self, request: Request, run_id: str) -> Response:
        wanted = _known(run_id)
        cancel_anywhere(run_id=wanted, user_id=user_of(request).pk, by=name_of(request.user))
        return Response({"ok": True, "run_id": str(wanted)}, status=202)


class ApprovalApi(APIView):
    """Answer what a run waits for."""

    required_scope = Scope.RUNS_WRITE

    class InputSerializer(serializers.Serializer[Any]):
        decision = serializers.ChoiceField(
            choices=["approved", "denied", "answered", "happened", "not_happened"]
        )
        answer = serializers.CharField(required=False, allow_blank=True, default="")

    @described.APPROVAL
    def post(self, request: Request, approval_id: str) -> Response:
        given = self.InputSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = uuid_of(approval_id)
        if wanted is None:
            raise NotFound("There is no such question.")
        approval = approval_resolve(
            approval_id=wanted,
            by=name_of(request.user),
            owner_id=request.user.pk,
            **given.validated_data,
        )
        return Response({"ok": True, "approval_id": str(approval.pk), "status": approval.status})


class HistoryApi(StreamingAPIView):
    """What was said in a session, oldest first, page by page from the end. Whoever was told the
    end of an answer finds it here."""

    required_scope = Scope.HISTORY_READ

    @described.HISTORY
    async def get(self, request: Request, session_key: str) -> HttpResponseBase:
        user_id = user_of(request).pk
        limit = _limit(request.query_params.get("limit"))
        await rows_settle(await rows_running(session_id=session_key, owner_id=user_id))
        messages, following = await in_database(
            history_anywhere,
            session_id=session_key,
            user_id=user_id,
            limit=limit,
            before=request.query_params.get("before"),
        )
        return Response(
            {
                "session_key": session_key,
                "sessionId": session_key,
                "messages": [_message(message) for message in messages],
                "count": len(messages),
                "next_before": following,
            }
        )


def _message(message: SessionMessage) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": str(message.id),
        "role": message.role,
        "content": message.content,
        "timestamp": message.created_at,
    }
    if message.actions:
        shown["actions"] = message.actions
    if message.is_partial:
        shown["partial"] = True
    return shown


def _limit(text: str | None) -> int:
    try:
        limit = int(text) if text else 50
    except ValueError:
        limit = 0
    if not 1 <= limit <= MAX_HISTORY:
        raise InvalidInput.of(("limit", f"must be a whole number from 1 to {MAX_HISTORY}"))
    return limit


def _known(run_id: str) -> UUID:
    if (wanted := uuid_of(run_id)) is None:
        raise RunNotFound
    return wanted
