"""The task queue's doorway: assign, ask for results, list, cancel, assign again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.api import described_tasks as described
from orchestration.api.asking import idempotency_key_of, name_of, user_of
from orchestration.api.settling import rows_settle, settled
from orchestration.api.task_orders import order_of, passed_over
from orchestration.dialects.task_result import moment_of
from orchestration.models import Run
from orchestration.selectors.task_types import may_assign, task_types_for
from orchestration.selectors.tasks import (
    Reader,
    Wanted,
    reader_of,
    task_owned,
    task_result,
    tasks_listed,
    tasks_running,
)
from orchestration.services.deliveries import callback_url_check
from orchestration.services.idempotency import RunRepeated
from orchestration.services.run_end import run_cancel
from orchestration.services.task_assign import Ordering, task_assign, task_retry
from orchestration.services.task_confirm import task_confirm
from taskmapr.core.errors import DatabaseUnavailable, InvalidInput, ScopeMissing, TaskNotFound
from taskmapr.core.ids import uuid7
from taskmapr.core.run_state import RUNNING
from taskmapr.core.task_types import TaskType
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.foundation.database_state import asked_or
from taskmapr.users.authentication import KeyPrincipal
from taskmapr.users.credentials import Credential
from taskmapr.users.permissions import HasKeyScope
from taskmapr.users.scopes import Scope

P = ParamSpec("P")
R = TypeVar("R")

LIMIT_MAX: Final = 200


class TaskView(StreamingAPIView):
    """The base of these endpoints: their clients are programs with keys."""

    authentication_classes = (KeyPrincipal,)
    permission_classes: tuple[type[BasePermission], ...] = (IsAuthenticated, HasKeyScope)
    required_scope: Any = Scope.TASKS_READ
    #: The setting with the number of reads a minute; they are counted apart from the rest.
    reads_per_minute = "task_reads_per_minute"

    async def ask(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """`in_database`; DatabaseUnavailable, at once, while Postgres is away."""
        return await in_database(asked_or, partial(fn, *args, **kwargs), _nobody)

    async def settled(self, request: Request, task_id: str) -> Run:
        """The task as it is, not behind what its readers were told. Raises TaskNotFound."""
        return await settled(partial(self.ask, _owned, request, task_id), running=_if_running)


class AssigningView(TaskView):
    """Those that make tasks. A limit of its own; and no task while nobody can count."""

    required_scope = Scope.TASKS_ASSIGN
    needs_counting = True

    def rate_limit(self, request: Request) -> tuple[str, int]:
        return "task_assigns", settings.TASKMAPR["task_assigns_per_minute"]

    async def assigned(
        self, run_id: UUID, task_type: str, starting: Awaitable[Any], **more: Any
    ) -> HttpResponseBase:
        """The answer to an order that became a task, now or when it was sent before."""
        headers = {}
        try:
            await starting
        except RunRepeated as earlier:
            run_id, headers = earlier.run_id, {"Idempotency-Replayed": "true"}
        body = {
            "task_id": str(run_id),
            "status": "assigned",
            "message": f"Task '{task_type}' successfully assigned",
            "timestamp": moment_of(datetime.now(UTC)),
            "task_type": task_type,
            "result_url": f"/result/{run_id}",
            "ws_url": f"/ws/task/{run_id}",
            **more,
        }
        return Response(body, headers=headers)


class AssignTaskApi(AssigningView):
    """Assign a task."""

    http_method_names = ["post", "options"]

    @described.ASSIGN
    async def post(self, request: Request) -> HttpResponseBase:
        order = order_of(request.data, idempotency_key=idempotency_key_of(request))
        if order.callback_url:
            await asyncio.to_thread(callback_url_check, order.callback_url)
        run_id, by = uuid7(), _ordering(request)
        starting = self.ask(task_assign, run_id=run_id, order=order, by=by)
        odd = passed_over(request.data)
        more = {"warnings": odd} if odd else {}
        return await self.assigned(run_id, order.task_type, starting, **more)


class TaskResultApi(TaskView):
    """What became of a task, in every state."""

    http_method_names = ["get", "head", "options"]

    @described.RESULT
    async def get(self, request: Request, task_id: str) -> HttpResponseBase:
        query = request.query_params
        look = partial(
            self.ask,
            _result,
            request,
            task_id,
            with_logs=query.get("logs", "1") not in ("0", "false"),
            after_seq=_whole(query.get("after_seq"), "after_seq", default=0, most=2**62),
        )
        _, body = await settled(look, running=lambda found: _if_running(found[0]))
        return Response(body, headers={"Cache-Control": "no-store"})


class TaskTypesApi(TaskView):
    """The types of tasks that the caller may assign."""

    required_scope = (Scope.TASKS_READ, Scope.TASKS_ASSIGN)
    http_method_names = ["get", "head", "options"]

    @described.TYPES
    async def get(self, request: Request) -> HttpResponseBase:
        types = await self.ask(task_types_for, _credential(request))
        body = {
            "tasks": [type_told(one) for one in types],
            "count": len(types),
            "timestamp": moment_of(datetime.now(UTC)),
        }
        return Response(body)


class TaskRunsApi(TaskView):
    """The caller's tasks, newest first."""

    http_method_names = ["get", "head", "options"]

    @described.RUNS
    async def get(self, request: Request) -> HttpResponseBase:
        query = request.query_params
        wanted = Wanted(
            status=query.get("status", ""),
            task_type=query.get("task_type", ""),
            limit=_whole(query.get("limit"), "limit", default=50, least=1, most=LIMIT_MAX),
            cursor=query.get("cursor", ""),
        )
        look = partial(self.ask, _listed, request, wanted)
        _, body = await settled(look, running=lambda found: found[0])
        return Response(body)


class TaskCancelApi(TaskView):
    """Stop a task."""

    required_scope = Scope.TASKS_CANCEL
    http_method_names = ["post", "options"]

    @described.CANCEL
    async def post(self, request: Request, task_id: str) -> HttpResponseBase:
        cancelled = await self.ask(_cancelled, request, task_id)
        return Response({"task_id": cancelled, "status": "cancelling"}, status=202)


class TaskConfirmApi(TaskView):
    """Say yes or no to a task that waits for it."""

    required_scope = Scope.TASKS_ASSIGN
    http_method_names = ["post", "options"]

    @described.CONFIRM
    async def post(self, request: Request, task_id: str) -> HttpResponseBase:
        is_approved = _approve_of(request.data)
        task = await self.settled(request, task_id)
        await self.ask(_confirm, request, task, is_approved=is_approved)
        status = "confirmed" if is_approved else "refused"
        return Response({"task_id": str(task.pk), "status": status})


class TaskRetryApi(AssigningView):
    """Assign a task again that did not succeed."""

    http_method_names = ["post", "options"]

    @described.RETRY
    async def post(self, request: Request, task_id: str) -> HttpResponseBase:
        task = await self.settled(request, task_id)
        key, run_id = idempotency_key_of(request), uuid7()
        by = _ordering(request, owner_id=task.owner_id)
        start = partial(self.ask, task_retry, run_id=run_id, task=task, by=by, idempotency_key=key)
        details = {"retry_of": str(task.pk)}
        return await self.assigned(run_id, task.subject, _retried(start), details=details)


async def _retried(start: Callable[[], Awaitable[Any]]) -> None:
    """Raises RunRepeated for a task that goes on, not for one whose end was told."""
    try:
        await start()
    except RunRepeated as earlier:
        if not await rows_settle([earlier.run_id]):
            raise
        await start()


def type_told(task_type: TaskType) -> dict[str, Any]:
    return {
        "name": task_type.name,
        "task_type": task_type.name,
        "title": task_type.title,
        "description": task_type.description,
        "version": task_type.version,
        "params_schema": task_type.params_schema,
        "example": task_type.example,
        "defaults": task_type.defaults,
        "danger": task_type.danger,
        "source": task_type.source,
        "enabled": task_type.enabled,
        "queue": task_type.queue,
        "timeout_s": task_type.timeout_s,
        "max_retries": task_type.max_retries,
        "concurrency": task_type.concurrency,
        "scopes": list(task_type.scopes),
    }


def _credential(request: Request) -> Credential | None:
    return cast("Credential | None", request.auth)


def _reader(request: Request) -> Reader:
    return reader_of(user_of(request), _credential(request))


def _owned(request: Request, task_id: str) -> Run:
    return task_owned(task_id=task_id, reader=_reader(request))


def _result(
    request: Request, task_id: str, *, with_logs: bool, after_seq: int
) -> tuple[Run, dict[str, Any]]:
    task = _owned(request, task_id)
    result = task_result(task=task, with_logs=with_logs, after_seq=after_seq)
    return task, result.body(now=datetime.now(UTC), with_logs=with_logs)


def _listed(request: Request, wanted: Wanted) -> tuple[list[UUID], dict[str, Any]]:
    """The tasks that run, whether they are among those that are wanted or not, and the page."""
    reader = _reader(request)
    return tasks_running(reader), tasks_listed(reader=reader, wanted=wanted)


def _if_running(task: Run) -> list[UUID]:
    return [task.pk] if task.status == RUNNING else []


def _cancelled(request: Request, task_id: str) -> str:
    task = _owned(request, task_id)
    run_cancel(run_id=task.pk, by=name_of(request.user))
    return str(task.pk)


def _confirm(request: Request, task: Run, *, is_approved: bool) -> None:
    credential = _credential(request)
    if task.owner_id != user_of(request).pk:
        # Operators who may see it answer on its page, where that is noted.
        raise TaskNotFound
    if credential is not None and not may_assign(credential, task.subject):
        raise ScopeMissing("This key is not for tasks of this type.")
    by = credential.ref if credential is not None else name_of(request.user)
    task_confirm(task=task, is_approved=is_approved, by=by)


def _approve_of(body: Any) -> bool:
    """`approve` of a body, true when left out. Raises InvalidInput."""
    if body is not None and not isinstance(body, dict):
        raise InvalidInput.of(("", "must be a JSON object"))
    approve = (body or {}).get("approve", True)
    if not isinstance(approve, bool):
        raise InvalidInput.of(("approve", "must be true or false"))
    return approve


def _ordering(request: Request, *, owner_id: UUID | None = None) -> Ordering:
    return Ordering(
        owner_id=owner_id or user_of(request).pk,
        credential=_credential(request),
        request_id=getattr(request, "request_id", ""),
    )


def _nobody() -> NoReturn:
    raise DatabaseUnavailable


def _whole(text: str | None, name: str, *, default: int, least: int = 0, most: int) -> int:
    try:
        number = int(text) if text else default
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise InvalidInput.of((name, f"must be a whole number from {least} to {most}"))
    return number
