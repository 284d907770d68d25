"""What the API document says of intents and jobs."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from orchestration.api.described import SSE, header
from orchestration.intents.modes import ASKED_MODES, MODES
from orchestration.intents.words import SHOWN
from taskmapr.core import errors
from taskmapr.core.json_schema import (
    Schema,
    any_object,
    array,
    flag,
    moment,
    number,
    one_of,
    or_null,
    record,
    ref,
    text,
    whole,
)
from taskmapr.foundation.openapi import answer, described

_JOB_PATTERN: Final = "^job_[0-9a-f]{32}$"
_EVENT_ID: Final = r"^[0-9a-fA-F-]{32,36}:[0-9]{1,18}$"

FIRST_REQUEST: Final[dict[str, Any]] = {
    "intent": "my.operation",
    "inputs": {"param1": "test", "param2": 5},
}

_REQUEST: Final = record(
    {
        "intent": text(
            "What is to be done, such as `memory.write`.",
            pattern="^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$",
        ),
        "inputs": any_object("What the intent needs: see the schemas of `GET /intents`."),
    },
    {
        "mode": {
            **one_of(*ASKED_MODES, description="How; `auto` takes the first mode that fits."),
            "default": "auto",
        },
        "callback_url": or_null(text("An https address that is told when the job is over.")),
        "context": or_null(any_object("Noted with the job; `user_id`, `session_id`, `trace_id`.")),
        "async": flag("True: answer 202 at once."),
    },
)

_DRY: Final = {
    "dry_run": flag("Nothing was done; `note` says what it would take."),
    "note": text(),
}

_SUCCESS: Final = record(
    {
        "status": {"const": "success"},
        "result": {"description": "Whatever the intent gives: any JSON."},
        "mode": one_of(*MODES, description="The mode that carried it out."),
        "duration_ms": whole(minimum=0),
        "job_id": text(pattern=_JOB_PATTERN),
        "intent": text(),
    },
    _DRY,
)

_ACCEPTED: Final = record(
    {
        "status": {"const": "accepted"},
        "job_id": text(pattern=_JOB_PATTERN),
        "message": text(),
        "mode": one_of(*MODES),
        "callback_url": or_null(text()),
        "status_url": text("Where the job is looked at."),
        "stream_url": text("Where it is followed."),
    }
)

_CALLBACK: Final = record(
    {
        "status": one_of("none", "pending", "delivered", "failed", "disabled"),
        "attempts": whole(minimum=0),
        "last_status_code": or_null(whole()),
        "next_attempt_at": or_null(moment()),
    }
)

_JOB: Final = record(
    {
        "job_id": text(pattern=_JOB_PATTERN),
        "status": one_of(*dict.fromkeys(SHOWN.values())),
        "intent": text(),
        "mode": one_of(*MODES),
        "mode_reason": or_null(text("By which rule the mode was chosen.")),
        "result": {"description": "With `success` only: any JSON."},
        "error": or_null(record({"code": text(), "message": text(), "retryable": flag()})),
        "progress": record({"percent": number(minimum=0, maximum=100), "text": or_null(text())}),
        "attempts": whole(minimum=0),
        "callback_url": or_null(text()),
        "callback": _CALLBACK,
        "context": or_null(any_object()),
        "usage": record(
            {"input_tokens": whole(), "output_tokens": whole(), "total_tokens": whole()}
        ),
        "cost": record({"usd_micros": or_null(whole("Millionths of a US dollar."))}),
        "created_at": moment(),
        "started_at": or_null(moment()),
        "completed_at": or_null(moment()),
        "duration_ms": or_null(whole(minimum=0)),
    }
)

_INTENT: Final = record(
    {
        "name": text(),
        "description": text(),
        "mode": one_of(*MODES, description="What `auto` takes."),
        "modes": array(one_of(*MODES)),
        "inputs_schema": any_object("JSON Schema (2020-12)."),
        "danger": one_of("read", "write", "dangerous"),
        "volatile": flag("True: its answers are not given again to equal requests."),
        "cost": record(
            {"usd_micros": whole("Of each call."), "usd_micros_per_s": whole("And of a second.")}
        ),
        "source": text("Where it comes from."),
    }
)

#: Components of the document, by name.
COMPONENTS: Final[dict[str, Schema]] = {
    "OrchestrateRequest": _REQUEST,
    "OrchestrateSuccess": _SUCCESS,
    "OrchestrateAccepted": _ACCEPTED,
    "Job": _JOB,
    "Intent": _INTENT,
    "IntentList": record({"intents": array(_INTENT), "count": whole(minimum=0)}),
    "JobFrame": record(
        {
            "type": one_of(
                "metadata",
                "progress",
                "log",
                "text_delta",
                "reasoning_delta",
                "tool_call_started",
                "tool_call_completed",
                "approval_requested",
                "approval_resolved",
                "artifact",
                "error",
                "complete",
                "heartbeat",
            ),
            "event": text("Equal to `type`."),
            "run_id": text(),
            "seq": or_null(whole("Number of the event in the job's log.")),
            "timestamp": moment(),
            "data": any_object(),
        }
    ),
}

_STREAM: Final = answer(
    ref("JobFrame"),
    "Server-sent events: each `data:` line is one frame, most with an `id:` line to resume after."
    " `metadata` comes first, `complete` last.",
)

_JOB_ID: Final = OpenApiParameter(
    "job_id", {"type": "string", "pattern": _JOB_PATTERN}, OpenApiParameter.PATH
)

_KEY: Final = header(
    "Idempotency-Key",
    "Chosen by the client. Within 24 hours, the same key with the same body is answered by the same"
    " job, with `Idempotency-Replayed: true`.",
    pattern=r"^[!-~]{1,255}$",
)
_CACHE: Final = header(
    "Cache-Control", "`no-cache`: do not answer from an equal request of the last hour."
)

_SAID: Final[dict[str, Any]] = {
    "tag": "Intents",
    "body": ref("OrchestrateRequest"),
    "parameters": [_KEY, _CACHE],
    "answers": {
        (200, "application/json"): answer(ref("OrchestrateSuccess"), "It is done."),
        (200, SSE): _STREAM,
        202: answer(ref("OrchestrateAccepted"), "It takes longer; the job goes on."),
    },
    "problems": (
        errors.UnknownIntent,
        errors.IntentForbidden,
        errors.ModeNotSupported,
        errors.AmbiguousIntent,
        errors.InvalidInput,
        errors.IdempotencyKeyReused,
        errors.CallbackUrlNotAllowed,
        errors.QuotaExceeded,
        errors.HostNotAllowed,
        errors.CommandDenied,
        errors.CommandNotAllowed,
        errors.ToolNotAllowed,
        errors.Conflict,
        errors.ToolFailed,
        errors.OutcomeUnknown,
        errors.WorkerLost,
        errors.UpstreamError,
        errors.ToolReportedError,
        errors.SshUnreachable,
        errors.HostKeyMismatch,
        errors.ModelFailed,
        errors.QueueUnavailable,
        errors.CircuitOpen,
        errors.NotConfigured,
        errors.McpUnavailable,
        errors.ModelNotConfigured,
        errors.NoWorker,
        errors.TimedOut,
    ),
    "examples": [OpenApiExample("The sample", value=FIRST_REQUEST, request_only=True)],
}

ORCHESTRATE: Final = described("Run an intent", **_SAID)
ALIAS: Final = described("Run an intent (another name of /orchestrate)", **_SAID)

INTENTS: Final = described(
    "List the intents",
    tag="Intents",
    answers={200: answer(ref("IntentList"), "Those that the caller may run, by name.")},
)

JOBS: Final = described(
    "List jobs",
    tag="Intents",
    parameters=[
        OpenApiParameter("status", {"type": "string", "enum": list(dict.fromkeys(SHOWN.values()))}),
        OpenApiParameter("intent", OpenApiTypes.STR),
        OpenApiParameter(
            "cursor",
            {"type": "string", "pattern": _JOB_PATTERN},
            description="`next_cursor` of the page before.",
        ),
        OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    ],
    answers={
        200: answer(
            record({"jobs": array(ref("Job"), "Newest first."), "next_cursor": or_null(text())}),
            "The caller's own.",
        )
    },
    problems=(errors.InvalidInput,),
)

JOB: Final = described(
    "Look at a job",
    tag="Intents",
    parameters=[_JOB_ID],
    answers={200: answer(ref("Job"), "")},
    problems=(errors.JobNotFound,),
)

_OK: Final = record({"ok": flag(), "job_id": text(pattern=_JOB_PATTERN)})

JOB_CANCEL: Final = described(
    "Stop a job",
    tag="Intents",
    parameters=[_JOB_ID],
    answers={202: answer(_OK, "It will stop soon.")},
    problems=(errors.JobNotFound, errors.AlreadyFinished, errors.QueueUnavailable),
)

JOB_REDELIVER: Final = described(
    "Send a job's callback again",
    tag="Intents",
    parameters=[_JOB_ID],
    answers={202: answer(_OK, "It will be sent soon.")},
    problems=(errors.JobNotFound, errors.Conflict),
)

JOB_STREAM: Final = described(
    "Follow a job",
    tag="Intents",
    parameters=[
        _JOB_ID,
        header(
            "Last-Event-ID",
            "`<run_id>:<seq>`, the last `id:` that was received: follow from there.",
            pattern=_EVENT_ID,
        ),
        OpenApiParameter(
            "last_event_id",
            OpenApiTypes.STR,
            description="The same, where headers cannot be set.",
            pattern=_EVENT_ID,
        ),
    ],
    answers={(200, SSE): _STREAM},
    problems=(errors.JobNotFound, errors.EventsExpired, errors.InvalidInput),
)
