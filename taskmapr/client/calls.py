"""What is asked of the server: one function per endpoint, without sending anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from taskmapr.client.errors import NotUnderstood
from taskmapr.client.results import Intent, Job, JobPage, Task, TaskPage, TaskType, Usage

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An answer of 2xx. Names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Received], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it."""
        return self.method == "GET" or "idempotency-key" in self.headers

    def told_by(self, answer: Received) -> T:
        """What the answer says. Raises NotUnderstood."""
        try:
            return self.read(answer)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            what = f"{self.method} {self.path}: {type(error).__name__}"
            raise NotUnderstood(what) from error


# Intents -----------------------------------------------------------------------------------------


def orchestrate(
    intent: str,
    inputs: Mapping[str, Any] | None,
    *,
    mode: str,
    callback_url: str | None,
    context: Mapping[str, Any] | None,
    wait: bool,
    idempotency_key: str | None,
) -> Call[Job]:
    body: dict[str, Any] = {"intent": intent, "inputs": dict(inputs or {}), "mode": mode}
    if callback_url is not None:
        body["callback_url"] = callback_url
    if context is not None:
        body["context"] = dict(context)
    if not wait:
        body["async"] = True
    return Call(
        method="POST",
        path="/orchestrate",
        body=body,
        headers=_key(idempotency_key),
        read=lambda answer: Job.of(
            {"intent": intent, **answer.json},
            is_replay=answer.headers.get("idempotency-replayed") == "true",
        ),
    )


def intents() -> Call[list[Intent]]:
    return Call(
        method="GET",
        path="/intents",
        read=lambda answer: [Intent.of(told) for told in answer.json["intents"]],
    )


def job(job_id: str) -> Call[Job]:
    return Call(method="GET", path=_job(job_id), read=lambda answer: Job.of(answer.json))


def jobs(status: str | None, intent: str | None, cursor: str | None) -> Call[JobPage]:
    return Call(
        method="GET",
        path="/jobs",
        query=_given(status=status, intent=intent, cursor=cursor),
        read=lambda answer: JobPage.of(answer.json),
    )


def job_cancel(job_id: str) -> Call[None]:
    return Call(method="POST", path=f"{_job(job_id)}/cancel", body={}, read=_nothing)


def job_redeliver(job_id: str) -> Call[None]:
    return Call(method="POST", path=f"{_job(job_id)}/redeliver", body={}, read=_nothing)


def job_stream_path(job_id: str) -> str:
    return f"{_job(job_id)}/stream"


def usage(first: date | None, last: date | None, group_by: str | None) -> Call[Usage]:
    asked = {
        "from": first.isoformat() if first else "",
        "to": last.isoformat() if last else "",
        "group_by": group_by or "",
    }
    return Call(
        method="GET",
        path="/usage",
        query={name: value for name, value in asked.items() if value},
        read=lambda answer: Usage.of(answer.json),
    )


# Tasks -------------------------------------------------------------------------------------------


def task_types() -> Call[list[TaskType]]:
    return Call(
        method="GET",
        path="/tasks/",
        read=lambda answer: [TaskType.of(told) for told in answer.json["tasks"]],
    )


def assign(
    task_type: str,
    params: Mapping[str, Any] | None,
    *,
    priority: int | None,
    timeout_s: float | None,
    max_retries: int | None,
    eta: datetime | None,
    callback_url: str | None,
    idempotency_key: str | None,
) -> Call[str]:
    """Gives the task's id. Without a key of the caller's it gets one, so that a broken connection
    assigns nothing twice."""
    optional = {
        "priority": priority,
        "timeout_s": timeout_s,
        "max_retries": max_retries,
        "eta": eta.isoformat() if eta is not None else None,
        "callback_url": callback_url,
    }
    return Call(
        method="POST",
        path="/assign-task/",
        body={"task_type": task_type, "params": dict(params or {})}
        | {name: value for name, value in optional.items() if value is not None},
        headers=_key(idempotency_key or uuid4().hex),
        read=lambda answer: str(answer.json["task_id"]),
    )


def task(task_id: str, *, logs: bool) -> Call[Task]:
    return Call(
        method="GET",
        path=f"/result/{_part(task_id)}",
        query={} if logs else {"logs": "0"},
        read=lambda answer: Task.of(answer.json),
    )


def tasks(status: str | None, task_type: str | None, cursor: str | None) -> Call[TaskPage]:
    return Call(
        method="GET",
        path="/tasks/runs/",
        query=_given(status=status, task_type=task_type, cursor=cursor),
        read=lambda answer: TaskPage.of(answer.json),
    )


def task_cancel(task_id: str) -> Call[None]:
    return Call(method="POST", path=f"/tasks/{_part(task_id)}/cancel", body={}, read=_nothing)


def task_confirm(task_id: str, approve: bool) -> Call[None]:
    return Call(
        method="POST",
        path=f"/tasks/{_part(task_id)}/confirm",
        body={"approve": approve},
        read=_nothing,
    )


def task_retry(task_id: str) -> Call[str]:
    return Call(
        method="POST",
        path=f"/tasks/{_part(task_id)}/retry",
        body={},
        read=lambda answer: str(answer.json["task_id"]),
    )


def _nothing(answer: Received) -> None:
    return None


def _key(idempotency_key: str | None) -> dict[str, str]:
    return {} if idempotency_key is None else {"idempotency-key": idempotency_key}


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _job(job_id: str) -> str:
    return f"/jobs/{_part(job_id)}"


def _part(text: str) -> str:
    # An id is one part of a path, whatever is in it; an empty one would be another endpoint.
    if not text.strip("."):
        raise ValueError(f"{text!r} is no id")
    return quote(text, safe="")
