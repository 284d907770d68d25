"""What the API document says of the task queue: one decorator for each handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from orchestration.api.task_schemas import ASSIGN_BODY, WORDS
from taskmapr.core import errors
from taskmapr.core.json_schema import (
    array,
    moment,
    one_of,
    or_null,
    record,
    ref,
    text,
    uuid,
    whole,
)
from taskmapr.foundation.openapi import Handler, answer, described

TAG: Final = "Tasks"
_ID: Final = "01994f3c-7d1a-7c3e-9a53-3f6d2a1b0c4d"

_TASK_ID: Final = OpenApiParameter("task_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Chosen by the client. The same order, sent again within 24 hours with the same"
    " key, is answered with the task that it began, and `Idempotency-Replayed: true`.",
    pattern=r"^[!-~]{1,255}$",
)

_ASSIGNED_EXAMPLE: Final = {
    "task_id": _ID,
    "status": "assigned",
    "message": "Task 'test_task' successfully assigned",
    "timestamp": "2026-01-05T10:00:00.000Z",
    "task_type": "test_task",
    "result_url": f"/result/{_ID}",
    "ws_url": f"/ws/task/{_ID}",
}


def _example(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=["200"])


_ORDERED: Final = (
    errors.UnknownTaskType,
    errors.TaskDisabled,
    errors.ScopeMissing,
    errors.IdempotencyKeyReused,
    errors.QueueUnavailable,
)

ASSIGN: Final = described(
    "Assign a task",
    tag=TAG,
    body=ASSIGN_BODY,
    parameters=[_KEY],
    answers={200: answer(ref("TaskAssigned"), "It exists, and a worker will take it.")},
    problems=(*_ORDERED, errors.CallbackUrlNotAllowed, errors.NotConfigured),
    examples=[
        OpenApiExample(
            "A test",
            value={"task_type": "test_task", "params": {"test": True}},
            request_only=True,
        ),
        OpenApiExample(
            "Batches",
            value={
                "task_type": "approve_batches",
                "params": {"batch_ids": [1, 2, 3], "auto_approve": True},
            },
            request_only=True,
        ),
        _example("Assigned", _ASSIGNED_EXAMPLE),
    ],
)

_RESULT_EXAMPLE: Final = {
    "task_id": _ID,
    "task_type": "test_task",
    "status": "completed",
    "state": "SUCCESS",
    "ready": True,
    "result": {"echo": {"test": True}, "message": "Test task completed"},
    "error": None,
    "message": "Task 'test_task' completed",
    "progress": {"percent": 100, "text": "step 3 of 3"},
    "attempts": 1,
    "max_retries": 3,
    "logs": [
        {
            "timestamp": "2026-01-05T10:00:01.340Z",
            "level": "INFO",
            "message": "step 1 of 3",
            "attempt": 1,
            "seq": 3,
        }
    ],
    "logs_truncated": False,
    "screenshots": [],
    "downloads": [
        {
            "name": "task.log",
            "url": f"/static/results/{_ID}/task.log?exp=1767610800&sig=q3J0",
            "size": 211,
            "mime": "text/plain",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "expired": False,
        }
    ],
    "expired": False,
    "details": {},
    "seq": 13,
    "created_at": "2026-01-05T10:00:00.980Z",
    "started_at": "2026-01-05T10:00:01.002Z",
    "completed_at": "2026-01-05T10:00:02.014Z",
    "duration_ms": 1012,
    "timestamp": "2026-01-05T10:00:03.120Z",
}

RESULT: Final = described(
    "What became of a task",
    tag=TAG,
    parameters=[
        _TASK_ID,
        OpenApiParameter("logs", OpenApiTypes.STR, enum=["0", "1"], description="0: no log."),
        OpenApiParameter(
            "after_seq",
            {"type": "integer", "minimum": 0, "default": 0},
            description="Only lines of the log after this event.",
        ),
    ],
    answers={200: answer(ref("TaskResult"), "In every state; nothing is ever left out.")},
    problems=(errors.TaskNotFound, errors.ScopeMissing, errors.InvalidInput, errors.TooMany),
    examples=[_example("Completed", _RESULT_EXAMPLE)],
)

TYPES: Final = described(
    "Types of tasks",
    tag=TAG,
    answers={
        200: answer(
            record({"tasks": array(ref("TaskType")), "count": whole(), "timestamp": moment()}),
            "Those that the caller may assign.",
        )
    },
    problems=(errors.ScopeMissing, errors.TooMany),
)

RUNS: Final = described(
    "Tasks of the caller",
    tag=TAG,
    parameters=[
        OpenApiParameter("status", OpenApiTypes.STR, enum=WORDS),
        OpenApiParameter("task_type", OpenApiTypes.STR),
        OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        OpenApiParameter("cursor", OpenApiTypes.STR, description="`next_cursor` of a page."),
    ],
    answers={
        200: answer(
            record(
                {
                    "items": array(
                        ref("TaskListed"),
                        "Newest first, without logs. A result of"
                        " more than 64 KiB stands as `truncated`.",
                    ),
                    "next_cursor": or_null(text("Send as `cursor` to get the page after this.")),
                    "count": whole("On this page."),
                }
            ),
            "A page of them.",
        )
    },
    problems=(errors.ScopeMissing, errors.InvalidInput, errors.TooMany),
)

CANCEL: Final = described(
    "Stop a task",
    tag=TAG,
    parameters=[_TASK_ID],
    answers={
        202: answer(
            record({"task_id": uuid(), "status": {"const": "cancelling"}}),
            "It ends at once when it waits, within 15 seconds when it runs.",
        )
    },
    problems=(errors.TaskNotFound, errors.AlreadyFinished, errors.ScopeMissing),
)

CONFIRM: Final = described(
    "Say yes or no to a task that waits for it",
    tag=TAG,
    parameters=[_TASK_ID],
    body=record({}, {"approve": {"type": "boolean", "default": True}}),
    answers={
        200: answer(
            record({"task_id": uuid(), "status": one_of("confirmed", "refused")}),
            "It is noted who said so, and the task goes on.",
        )
    },
    problems=(
        errors.TaskNotFound,
        errors.AlreadyFinished,
        errors.AlreadyResolved,
        errors.ScopeMissing,
    ),
)

RETRY: Final = described(
    "Assign a task again that did not succeed",
    tag=TAG,
    parameters=[_TASK_ID, _KEY],
    answers={200: answer(ref("TaskAssigned"), "A new task; `details.retry_of` names the old one.")},
    problems=(errors.TaskNotFound, errors.NotRetryable, *_ORDERED),
    examples=[_example("Again", {**_ASSIGNED_EXAMPLE, "details": {"retry_of": _ID}})],
)

_FILE_PARAMETERS: Final = [
    _TASK_ID,
    OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH),
    OpenApiParameter("exp", OpenApiTypes.STR, description="Of a signed address."),
    OpenApiParameter("sig", OpenApiTypes.STR, description="Of a signed address."),
]


def _file(summary: str, kinds: tuple[str, ...]) -> Callable[[Handler], Handler]:
    bytes_told = OpenApiResponse(OpenApiTypes.BINARY, "The bytes; `Range` is honoured.")
    return described(
        summary,
        tag=TAG,
        parameters=_FILE_PARAMETERS,
        answers={(200, kind): bytes_told for kind in kinds},
        problems=(errors.FileNotFound,),
    )


SCREENSHOT: Final = _file("A picture that a task took", ("image/png", "image/jpeg", "image/webp"))
DOWNLOAD: Final = _file(
    "A file that a task made", ("application/octet-stream", "text/plain", "application/pdf")
)
