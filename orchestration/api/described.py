"""What the API document says of the run endpoints: one decorator for each handler."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from taskmapr.core import errors, run_state
from taskmapr.core.json_schema import (
    Schema,
    any_object,
    array,
    flag,
    moment,
    one_of,
    or_null,
    record,
    ref,
    text,
    uuid,
    whole,
)
from taskmapr.foundation.openapi import answer, described

SSE: Final = "text/event-stream"

_STREAM: Final = answer(
    ref("OverlayFrame"),
    "Server-sent events: each `data:` line is one of these frames, most with an `id:` line to"
    " resume after. The headers come at once and carry `X-Run-Id` and `X-Session-Id`. Once a"
    " stream has begun, failures are an `error` frame, and `complete` is always the last one.",
)

_EVENT_ID: Final = r"^[0-9a-fA-F-]{32,36}:[0-9]{1,18}$"


def header(name: str, description: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=description, **more
    )


_LAST_EVENT_ID: Final = header(
    "Last-Event-ID",
    "`<run_id>:<seq>`, the last `id:` that was received: follow that run from there.",
    pattern=_EVENT_ID,
)

_EVENT_ID_IN_QUERY: Final = OpenApiParameter(
    "last_event_id",
    OpenApiTypes.STR,
    description="The same, where headers cannot be set.",
    pattern=_EVENT_ID,
)

_IDEMPOTENCY_KEY: Final = header(
    "Idempotency-Key",
    "Chosen by the client. Sent again with the same body within 10 minutes, the answer tells the"
    " same run from its first frame and carries `Idempotency-Replayed: true`.",
    pattern=r"^[!-~]{1,255}$",
)

_RUN_ID: Final = OpenApiParameter("run_id", OpenApiTypes.UUID, OpenApiParameter.PATH)

_FIRST_REQUEST: Final = OpenApiExample(
    "A question about a page",
    value={
        "prompt": "go to tags",
        "domElements": [
            {
                "id": "nav-tags",
                "tagName": "a",
                "textContent": "Tags",
                "role": "menuitem",
                "position": {"top": 120, "left": 0, "width": 200, "height": 36},
                "isInteractive": True,
            }
        ],
        "pageContext": {"pathname": "/posts", "search": "?page=2", "hash": "", "title": "Posts"},
    },
    request_only=True,
)

_FOLLOWED: Final = (errors.RunNotFound, errors.EventsExpired)

# What starting a run may be refused with.
_STARTED: Final = (
    *_FOLLOWED,
    errors.NotAllowed,
    errors.SessionForbidden,
    errors.SessionBusy,
    errors.IdempotencyKeyReused,
    errors.QueueUnavailable,
    errors.ModelNotConfigured,
)

# Failures of the run itself, when one object was asked for.
_FAILED: Final = (
    errors.MaxTurnsExceeded,
    errors.WorkerLost,
    errors.ModelFailed,
    errors.ModelAuthFailed,
    errors.ModelRefusedContext,
    errors.ModelRequestRefused,
    errors.NoWorker,
    errors.TimedOut,
)

ORCHESTRATE: Final = described(
    "Ask about a page",
    tag="Overlay",
    body=ref("OverlayRequest"),
    parameters=[
        _LAST_EVENT_ID,
        _IDEMPOTENCY_KEY,
        header("Origin", "Chooses the overlay profile when the body names none."),
    ],
    answers={
        (200, SSE): _STREAM,
        (200, "application/json"): answer(
            ref("OverlayAnswer"),
            "Server-sent events, or one object when `Accept` names only `application/json` or the"
            " body says `stream: false`.",
        ),
    },
    problems=(*_STARTED, *_FAILED),
    examples=[_FIRST_REQUEST],
)

_SESSION_KEY: Final = OpenApiParameter(
    "session_key",
    {"type": "string", "pattern": "^[A-Za-z0-9._:@-]{1,200}$"},
    OpenApiParameter.PATH,
    description="The session that the message belongs to; made when it is new.",
)

CHAT: Final = described(
    "Say something and wait for the answer",
    tag="Overlay",
    body=ref("OverlayRequest"),
    parameters=[_SESSION_KEY, _IDEMPOTENCY_KEY],
    answers={200: answer(ref("ChatAnswer"), "The answer, when the run has ended.")},
    problems=(*_STARTED, *_FAILED),
    examples=[OpenApiExample("A message", value={"message": "go to tags"}, request_only=True)],
)

CHAT_STREAM: Final = described(
    "Say something by opening an address",
    tag="Overlay",
    parameters=[
        _SESSION_KEY,
        OpenApiParameter("prompt", OpenApiTypes.STR, description="What the user asks."),
        OpenApiParameter("message", OpenApiTypes.STR, description="Another name for `prompt`."),
        OpenApiParameter("profile", OpenApiTypes.STR, description="The name of a profile."),
        _LAST_EVENT_ID,
        _EVENT_ID_IN_QUERY,
        _IDEMPOTENCY_KEY,
    ],
    answers={
        (200, SSE): _STREAM,
        204: answer({}, "The run is over and its last frame was received: do not come back."),
    },
    problems=(*_STARTED, errors.InvalidInput),
)

RUN_STREAM: Final = described(
    "Follow or resume a run",
    tag="Overlay",
    parameters=[
        _RUN_ID,
        _LAST_EVENT_ID,
        _EVENT_ID_IN_QUERY,
    ],
    answers={(200, SSE): _STREAM},
    problems=(*_FOLLOWED, errors.InvalidInput, errors.QueueUnavailable),
)

_WAITS_FOR: Final = record(
    {
        "approval_id": uuid(),
        "asks": one_of("approval", "question", "outcome"),
        "tool": or_null(text()),
        "call_id": or_null(text()),
        "fingerprint": or_null(text("Of exactly the action that is asked about.")),
        "expires_at": moment(),
    }
)

_RUN: Final = record(
    {
        "run_id": uuid(),
        "kind": text(),
        "status": one_of(*sorted(run_state.STATUSES)),
        "sessionId": or_null(text()),
        "model": text(),
        "attempt": whole(minimum=0),
        "input_tokens": whole(minimum=0),
        "output_tokens": whole(minimum=0),
        "cost_usd_micros": or_null(whole("Millionths of a US dollar; null: not known.")),
        "first_output_ms": or_null(whole()),
        "duration_ms": or_null(whole()),
        "error_code": text(),
        "error_message": text(),
        "reason": text(),
        "created_at": moment(),
        "started_at": or_null(moment()),
        "finished_at": or_null(moment()),
        "waits_for": array(ref("WaitsFor"), "Questions to people."),
    }
)

RUN: Final = described(
    "The state of a run, and what it waits for",
    tag="Runs",
    parameters=[_RUN_ID],
    answers={200: answer(ref("Run"), "")},
    problems=(errors.RunNotFound,),
)

RUN_CANCEL: Final = described(
    "Stop a run",
    tag="Runs",
    parameters=[_RUN_ID],
    answers={202: answer(record({"ok": flag(), "run_id": uuid()}), "It will stop soon.")},
    problems=(errors.RunNotFound, errors.AlreadyFinished, errors.QueueUnavailable),
)

_RESOLVED: Final = record({"ok": flag(), "approval_id": uuid(), "status": text()})

APPROVAL: Final = described(
    "Answer what a run waits for",
    tag="Runs",
    parameters=[OpenApiParameter("approval_id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    body=record(
        {"decision": one_of("approved", "denied", "answered", "happened", "not_happened")},
        {"answer": text("To a question.")},
    ),
    answers={200: answer(_RESOLVED, "Written down; the run goes on.")},
    problems=(errors.NotFound, errors.AlreadyResolved, errors.QueueUnavailable),
    examples=[OpenApiExample("Permit it", value={"decision": "approved"}, request_only=True)],
)

_MESSAGE: Final = record(
    {"id": uuid(), "role": one_of("user", "assistant"), "content": text(), "timestamp": moment()},
    {
        "actions": array(ref("UiAction")),
        "partial": {"const": True, "description": "The run ended early."},
    },
)

_HISTORY: Final = record(
    {
        "session_key": text(),
        "sessionId": text(),
        "messages": array(_MESSAGE, "Oldest first."),
        "count": whole(minimum=0),
        "next_before": or_null(text("Send as `before` to get the page before this one.")),
    }
)

HISTORY: Final = described(
    "What was said in a session",
    tag="Overlay",
    parameters=[
        OpenApiParameter("session_key", OpenApiTypes.STR, OpenApiParameter.PATH),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        ),
        OpenApiParameter("before", OpenApiTypes.UUID, description="The id of a message."),
    ],
    answers={200: answer(_HISTORY, "A page of it, counted from the end.")},
    problems=(errors.NotFound, errors.InvalidInput),
)

#: Components of the document, by name.
COMPONENTS: Final[dict[str, Schema]] = {
    "Run": _RUN,
    "WaitsFor": _WAITS_FOR,
    "ChatAnswer": {
        "allOf": [
            ref("OverlayAnswer"),
            record({"session_key": text(), "response": text("Equal to `content`.")}),
        ]
    },
}


# Views that are no APIView ---------------------------------------------------------------------

HEALTH: Final = record(
    {
        "status": one_of("healthy", "degraded", "unhealthy"),
        "service": {"const": "healthy"},
        "db": one_of("connected", "not connected"),
        "redis": one_of("connected", "not connected"),
        "mcp": one_of("available", "unavailable", "not configured"),
        "workers": whole("Worker processes that gave a sign of life.", minimum=0),
        "queue_depth": {
            **any_object("Jobs that wait, by queue."),
            "additionalProperties": {"type": "integer"},
        },
        "persistence": one_of("database", "memory"),
        "timestamp": moment("When this was found out; at most two seconds ago."),
    }
)

READY: Final = record(
    {
        "status": one_of("ready", "not ready"),
        "failing": array(one_of("database", "redis", "workers", "storage")),
    }
)

ALIVE: Final = record({"status": {"const": "ok"}, "version": text()})

ROOT: Final = record(
    {
        "status": {"const": "ok"},
        "service": {"const": "taskmapr"},
        "version": text(),
        "mcp_available": flag(),
        "endpoints": {**any_object(), "additionalProperties": {"type": "string"}},
    }
)
