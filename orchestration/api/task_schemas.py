"""The schemas of the task queue in the API document."""

from __future__ import annotations

from typing import Final

from orchestration.dialects.task_result import SHOWN
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
    uuid,
    whole,
)

#: The words for the states of a task.
WORDS: Final = sorted({word for word, _ in SHOWN.values()})

ASSIGN_BODY: Final = record(
    {"task_type": text("Its name, as `/tasks/` lists it.", minLength=1, maxLength=200)},
    {
        "params": or_null(any_object("As the type's schema says; at most 256 KiB.")),
        "priority": or_null(whole("The greater the sooner.", minimum=0, maximum=9, default=5)),
        "timeout_s": or_null(number("For one attempt; at most what the type has.", minimum=1)),
        "max_retries": or_null(whole("At most what the type has.", minimum=0)),
        "eta": or_null(moment("Not before; at most 30 days ahead.")),
        "callback_url": or_null(text("Is told when the task has ended.", format="uri")),
        "idempotency_key": or_null(text("As the header, which wins.", pattern=r"^[!-~]{1,255}$")),
    },
)

_ASSIGNED: Final = record(
    {
        "task_id": uuid(),
        "status": {"const": "assigned"},
        "message": text(),
        "timestamp": moment(),
        "task_type": text(),
        "result_url": text("Where to ask what became of it."),
        "ws_url": text("Where to follow it live."),
    },
    {
        "details": record({"retry_of": uuid()}),
        "warnings": array(text("A member of the order that was passed over.")),
    },
)

_STEP: Final = record(
    {"name": text(), "position": whole(minimum=1), "task_type": text(), "task_id": uuid()},
    description="A step that was begun, of a task whose steps are tasks.",
)

_LINE: Final = record(
    {
        "timestamp": moment(),
        "level": one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "message": text(),
        "attempt": whole(minimum=0),
        "seq": whole("Send the last one as `after_seq` to get newer ones only.", minimum=1),
    }
)

_SCREENSHOT: Final = record(
    {
        "name": text(),
        "url": text("Good for an hour, without credentials."),
        "kind": text("`success`, `error` or `step`."),
        "timestamp": moment(),
        "width": or_null(whole()),
        "height": or_null(whole()),
        "expired": flag("The file was removed after its time."),
    }
)

_DOWNLOAD: Final = record(
    {
        "name": text(),
        "url": text("Good for an hour, without credentials."),
        "size": whole("In bytes."),
        "mime": text(),
        "sha256": or_null(text("In hex.")),
        "expired": flag("The file was removed after its time."),
    }
)

_ERROR: Final = record(
    {
        "code": text(),
        "message": text(),
        "type": text("The code, written as the name of a class."),
        "retryable": flag("The same task, assigned again, may succeed."),
        "attempt": whole(),
    }
)

_LISTED: Final[dict[str, Schema]] = {
    "task_id": uuid(),
    "task_type": text(),
    "status": one_of(*WORDS),
    "state": one_of(*sorted({state for _, state in SHOWN.values()})),
    "ready": flag("It has ended, one way or another."),
    "result": {"description": 'What the task gave; `{"truncated": true}` when it is in a file.'},
    "error": or_null(ref("TaskError")),
    "message": text(),
    "progress": or_null(record({"percent": whole(minimum=0, maximum=100), "text": text()})),
    "attempts": whole(minimum=0),
    "max_retries": whole(minimum=0),
    "screenshots": array(ref("TaskScreenshot")),
    "downloads": array(ref("TaskDownload")),
    "expired": flag("Something of it was removed after its time."),
    "details": record(
        {},
        {
            "retry_of": uuid("The task of which this one is a repetition."),
            "steps": array(_STEP),
            "step_of": record({"task_id": uuid(), "name": text(), "position": whole(minimum=1)}),
        },
    ),
    "seq": whole("Number of the last event that is told here.", minimum=0),
    "created_at": moment(),
    "started_at": or_null(moment()),
    "completed_at": or_null(moment()),
    "duration_ms": or_null(whole("From the beginning of the first attempt.")),
    "timestamp": moment(),
}

_TYPE: Final = record(
    {
        "name": text(),
        "task_type": text("Equal to `name`."),
        "title": text(),
        "description": text(),
        "version": whole(),
        "params_schema": any_object("JSON Schema of `params`."),
        "example": any_object(),
        "defaults": any_object(),
        "danger": one_of("read", "write", "dangerous"),
        "source": one_of("builtin", "app", "entry_point", "file", "admin"),
        "enabled": flag(),
        "queue": one_of("default", "agent", "browser", "long"),
        "timeout_s": number(),
        "max_retries": whole(),
        "concurrency": whole("At once; 0: any number."),
        "scopes": array(text()),
    }
)

COMPONENTS: Final[dict[str, Schema]] = {
    "TaskAssigned": _ASSIGNED,
    "TaskError": _ERROR,
    "TaskScreenshot": _SCREENSHOT,
    "TaskDownload": _DOWNLOAD,
    "TaskListed": record(_LISTED),
    "TaskResult": record(
        {
            **_LISTED,
            "logs": array(ref("TaskLogLine"), "The last 500; all are in the download `task.log`."),
            "logs_truncated": flag("There are earlier lines than these."),
        }
    ),
    "TaskLogLine": _LINE,
    "TaskType": _TYPE,
}
