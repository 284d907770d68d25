"""The client for programs with an event loop: the same methods, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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


class AsyncClient:
    """Asks a TaskMapr server. Belongs to one event loop; close it, or use it with
    `async with`.

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
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            headers=credentials(api_key, token),
            timeout=timeout_s,
            verify=verify,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # Intents -------------------------------------------------------------------------------------

    async def orchestrate(
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
        return await self._do(
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

    async def intents(self) -> list[Intent]:
        return await self._do(calls.intents())

    async def job(self, job_id: str) -> Job:
        return await self._do(calls.job(job_id))

    async def jobs(
        self, *, status: str | None = None, intent: str | None = None, cursor: str | None = None
    ) -> JobPage:
        return await self._do(calls.jobs(status, intent, cursor))

    async def wait(self, job_id: str, *, timeout_s: float = 300.0) -> Job:
        """The job when it is over, however it ended. Raises WaitedTooLong."""
        return await self._look(lambda: self.job(job_id), timeout_s)

    async def cancel(self, job_id: str) -> None:
        await self._do(calls.job_cancel(job_id))

    async def redeliver(self, job_id: str) -> None:
        """Send the job's callback again."""
        await self._do(calls.job_redeliver(job_id))

    async def stream(self, job_id: str) -> AsyncIterator[StreamEvent]:
        """What the job says, from its beginning to `complete`. A broken connection is resumed where
        it broke; nothing comes twice."""
        reader, failures = SseReader(), 0
        while not reader.is_complete:
            seen = reader.last_event_id
            try:
                async for event in self._follow(calls.job_stream_path(job_id), reader):
                    yield event
                error: ClientError = NoAnswer("the stream ended before the job")
            except ClientError as broken:
                error = broken
            if reader.is_complete:
                return
            failures = 0 if reader.last_event_id != seen else failures + 1
            if failures > self._patience.retries or not is_worth_resuming(error):
                raise error
            await asyncio.sleep(self._patience.base_s * 2**failures)

    async def usage(
        self,
        *,
        first: date | None = None,
        last: date | None = None,
        group_by: str | None = None,
    ) -> Usage:
        """What you used (staff: what everybody did) from the first to the last day in UTC, both
        included; the last 30 unless you say so. group_by: `day`, `tool`, `intent` or `user`."""
        return await self._do(calls.usage(first, last, group_by))

    # Tasks ---------------------------------------------------------------------------------------

    async def task_types(self) -> list[TaskType]:
        return await self._do(calls.task_types())

    async def assign(
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
        return await self._do(
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

    async def result(self, task_id: str, *, logs: bool = True) -> Task:
        """The task as it stands."""
        return await self._do(calls.task(task_id, logs=logs))

    async def tasks(
        self, *, status: str | None = None, task_type: str | None = None, cursor: str | None = None
    ) -> TaskPage:
        return await self._do(calls.tasks(status, task_type, cursor))

    async def wait_task(self, task_id: str, *, timeout_s: float = 300.0) -> Task:
        """The task with its log when it is over, however it ended. Raises WaitedTooLong."""
        await self._look(lambda: self.result(task_id, logs=False), timeout_s)
        return await self.result(task_id)

    async def cancel_task(self, task_id: str) -> None:
        await self._do(calls.task_cancel(task_id))

    async def confirm_task(self, task_id: str, *, approve: bool = True) -> None:
        """Say yes or no to a task that waits for it."""
        await self._do(calls.task_confirm(task_id, approve))

    async def retry_task(self, task_id: str) -> str:
        """Assign a task that failed once more; gives the new one's id."""
        return await self._do(calls.task_retry(task_id))

    # Sending -------------------------------------------------------------------------------------

    async def _do(self, call: Call[T]) -> T:
        attempt = 1
        while True:
            try:
                return call.told_by(await self._send(call))
            except ClientError as error:
                pause_s = pause_before(call, error, attempt=attempt, patience=self._patience)
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)
            attempt += 1

    async def _send(self, call: Call[Any]) -> Received:
        try:
            response = await self._http.request(
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

    async def _follow(self, path: str, reader: SseReader) -> AsyncIterator[StreamEvent]:
        reader.restart()
        headers = {"accept": "text/event-stream"}
        if reader.last_event_id:
            headers["last-event-id"] = reader.last_event_id
        try:
            async with self._http.stream(
                "GET", path, headers=headers, timeout=SILENCE_S
            ) as response:
                if not response.is_success:
                    raise error_of(response.status_code, response.headers, await response.aread())
                async for line in response.aiter_lines():
                    for event in reader.feed(line):
                        yield event
        except httpx.HTTPError as error:
            raise NoAnswer(f"GET {path}: {type(error).__name__}") from error

    async def _look(self, look: Callable[[], Awaitable[Looked]], timeout_s: float) -> Looked:
        end, looks = time.monotonic() + timeout_s, 0
        while not (found := await look()).is_final:
            pause_s = look_pause(looks)
            if time.monotonic() + pause_s > end:
                raise WaitedTooLong(f"it is {found.status} after {timeout_s:g} s")
            await asyncio.sleep(pause_s)
            looks += 1
        return found
