"""The client for programs without an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx

from taskmapr.client import calls
from taskmapr.client.calls import Call, Received
from taskmapr.client.errors import ClientError, NoAnswer, WaitedTooLong, error_of
from taskmapr.client.manners import (
    SILENCE_S,
    Patience,
    credentials,
    is_worth_resuming,
    look_pause,
    pause_before,
)
from taskmapr.client.results import (
    Intent,
    Job,
    JobPage,
    StreamEvent,
    Task,
    TaskPage,
    TaskType,
    Usage,
)
from taskmapr.client.sse import SseReader

T = TypeVar("T")
Looked = TypeVar("Looked", Job, Task)


class Client:
    """Asks a TaskMapr server. May be used by several threads; close it, or use it with `with`.

    base_url: `https://taskmapr.example.com`. timeout_s: for one answer; give it more than the
    server's synchronous limit (8 s by default). Every method raises ApiError for a refusal and
    NoAnswer when there is none, after the repeats that `patience` allows; NotUnderstood for what is
    no answer of TaskMapr's.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        token: str | None = None,
        timeout_s: float = 30.0,
        patience: Patience | None = None,
        verify: Any = True,
    ) -> None:
        self._patience = patience or Patience()
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers=credentials(api_key, token),
            timeout=timeout_s,
            verify=verify,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # Intents -------------------------------------------------------------------------------------

    def orchestrate(
        self,
        intent: str,
        inputs: Mapping[str, Any] | None = None,
        mode: str = "auto",
        *,
        callback_url: str | None = None,
        context: Mapping[str, Any] | None = None,
        wait: bool = True,
        idempotency_key: str | None = None,
    ) -> Job:
        """Ask for an intent. The job is over, or `accepted` when it takes longer (or not `wait`).

        A failure within the synchronous time raises ApiError, with `job_id`.
        """
        return self._do(
            calls.orchestrate(
                intent,
                inputs,
                mode=mode,
                callback_url=callback_url,
                context=context,
                wait=wait,
                idempotency_key=idempotency_key,
            )
        )

    def intents(self) -> list[Intent]:
        return self._do(calls.intents())

    def job(self, job_id: str) -> Job:
        return self._do(calls.job(job_id))

    def jobs(
        self, *, status: str | None = None, intent: str | None = None, cursor: str | None = None
    ) -> JobPage:
        return self._do(calls.jobs(status, intent, cursor))

    def wait(self, job_id: str, *, timeout_s: float = 300.0) -> Job:
        """The job when it is over, however it ended. Raises WaitedTooLong."""
        return self._look(lambda: self.job(job_id), timeout_s)

    def cancel(self, job_id: str) -> None:
        self._do(calls.job_cancel(job_id))

    def redeliver(self, job_id: str) -> None:
        """Send the job's callback again."""
        self._do(calls.job_redeliver(job_id))

    def stream(self, job_id: str) -> Iterator[StreamEvent]:
        """What the job says, from its beginning to `complete`. A broken connection is resumed where
        it broke; nothing comes twice."""
        reader, failures = SseReader(), 0
        while not reader.is_complete:
            seen = reader.last_event_id
            try:
                yield from self._follow(calls.job_stream_path(job_id), reader)
                error: ClientError = NoAnswer("the stream ended before the job")
            except ClientError as broken:
                error = broken
            if reader.is_complete:
                return
            failures = 0 if reader.last_event_id != seen else failures + 1
            if failures > self._patience.retries or not is_worth_resuming(error):
                raise error
            time.sleep(self._patience.base_s * 2**failures)

    def usage(
        self,
        *,
        first: date | None = None,
        last: date | None = None,
        group_by: str | None = None,
    ) -> Usage:
        """What you used (staff: what everybody did) from the first to the last day in UTC, both
        included; the last 30 unless you say so. group_by: `day`, `tool`, `intent` or `user`."""
        return self._do(calls.usage(first, last, group_by))

    # Tasks ---------------------------------------------------------------------------------------

    def task_types(self) -> list[TaskType]:
        return self._do(calls.task_types())

    def assign(
        self,
        task_type: str,
        params: Mapping[str, Any] | None = None,
        *,
        priority: int | None = None,
        timeout_s: float | None = None,
        max_retries: int | None = None,
        eta: datetime | None = None,
        callback_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Queue a task; gives its id. eta: aware, not to be begun before."""
        return self._do(
            calls.assign(
                task_type,
                params,
                priority=priority,
                timeout_s=timeout_s,
                max_retries=max_retries,
                eta=eta,
                callback_url=callback_url,
                idempotency_key=idempotency_key,
            )
        )

    def result(self, task_id: str, *, logs: bool = True) -> Task:
        """The task as it stands."""
        return self._do(calls.task(task_id, logs=logs))

    def tasks(
        self, *, status: str | None = None, task_type: str | None = None, cursor: str | None = None
    ) -> TaskPage:
        return self._do(calls.tasks(status, task_type, cursor))

    def wait_task(self, task_id: str, *, timeout_s: float = 300.0) -> Task:
        """The task with its log when it is over, however it ended. Raises WaitedTooLong."""
        self._look(lambda: self.result(task_id, logs=False), timeout_s)
        return self.result(task_id)

    def cancel_task(self, task_id: str) -> None:
        self._do(calls.task_cancel(task_id))

    def confirm_task(self, task_id: str, *, approve: bool = True) -> None:
        """Say yes or no to a task that waits for it."""
        self._do(calls.task_confirm(task_id, approve))

    def retry_task(self, task_id: str) -> str:
        """Assign a task that failed once more; gives the new one's id."""
        return self._do(calls.task_retry(task_id))

    # Sending -------------------------------------------------------------------------------------

    def _do(self, call: Call[T]) -> T:
        attempt = 1
        while True:
            try:
                return call.told_by(self._send(call))
            except ClientError as error:
                pause_s = pause_before(call, error, attempt=attempt, patience=self._patience)
                if pause_s is None:
                    raise
            time.sleep(pause_s)
            attempt += 1

    def _send(self, call: Call[Any]) -> Received:
        try:
            response = self._http.request(
                call.method,
                call.path,
                json=call.body,
                params=call.query or None,
                headers=dict(call.headers),
            )
        except httpx.HTTPError as error:
            raise NoAnswer(f"{call.method} {call.path}: {type(error).__name__}") from error
        if not response.is_success:
            raise error_of(response.status_code, response.headers, response.content)
        return Received(headers=response.headers, body=response.content)

    def _follow(self, path: str, reader: SseReader) -> Iterator[StreamEvent]:
        reader.restart()
        headers = {"accept": "text/event-stream"}
        if reader.last_event_id:
            headers["last-event-id"] = reader.last_event_id
        try:
            with self._http.stream("GET", path, headers=headers, timeout=SILENCE_S) as response:
                if not response.is_success:
                    raise error_of(response.status_code, response.headers, response.read())
                for line in response.iter_lines():
                    yield from reader.feed(line)
        except httpx.HTTPError as error:
            raise NoAnswer(f"GET {path}: {type(error).__name__}") from error

    def _look(self, look: Callable[[], Looked], timeout_s: float) -> Looked:
        end, looks = time.monotonic() + timeout_s, 0
        while not (found := look()).is_final:
            pause_s = look_pause(looks)
            if time.monotonic() + pause_s > end:
                raise WaitedTooLong(f"it is {found.status} after {timeout_s:g} s")
            time.sleep(pause_s)
            looks += 1
        return found
