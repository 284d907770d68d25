"""Assigning tasks: from an accepted order to a run that waits for a worker."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from orchestration.models import IdempotencyKey, Run
from orchestration.models.idempotency_key import KeyKind
from orchestration.selectors.task_types import task_type_to_assign
from orchestration.selectors.tasks import task_result
from orchestration.services.idempotency import Once
from orchestration.services.run_start import NewRun, StartedRun, run_start
from orchestration.services.task_again import params_again
from orchestration.services.webhook_secrets import server_secret_ensure
from taskmapr.core.errors import InvalidInput, NotRetryable, ScopeMissing
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import FINAL_STATUSES, SUCCEEDED
from taskmapr.core.task_types import TaskType
from taskmapr.core.tools import is_named
from taskmapr.foundation.telemetry import task_lines
from taskmapr.users.credentials import Credential
from taskmapr.users.scopes import Scope

PARAMS_BYTES: Final = 256 * 1024
#: How far ahead a task may be put off.
ETA_MAX: Final = timedelta(days=30)
PRIORITY: Final = 5
#: Seconds for which a repeat of an order finds its task.
ORDER_LIFE_S: Final = 24 * 3600
#: What an attempt may take beside its own time: being stopped, and a short wait for the next one.
_BETWEEN_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client asks for. None: as the type says."""

    task_type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    priority: int = PRIORITY
    timeout_s: float | None = None
    max_retries: int | None = None
    eta: datetime | None = None
    #: Checked by the doorway: an address that callbacks may be sent to.
    callback_url: str | None = None
    #: By what a repeat is known.
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """Who orders."""

    owner_id: UUID
    credential: Credential | None
    request_id: str = ""
    #: Without a credential: patterns of the tools that a model may be offered; None: all.
    intents: tuple[str, ...] | None = None


def task_assign(
    *,
    run_id: UUID,
    order: Order,
    by: Ordering,
    retry_of: UUID | None = None,
    once: Once | None = None,
) -> StartedRun:
    """Make the task and hand it to the queue; it exists when this returns.

    once: by what a repeat is known, where the order names no key of its own. Raises
    UnknownTaskType, TaskDisabled, InvalidInput (paths below the body), ScopeMissing (an intent that
    the key is not for), QuotaExceeded, QueueUnavailable (no task is left open), NotConfigured
    (nothing signs callbacks), and for a repeat of an order RunRepeated or IdempotencyKeyReused.
    """
    task_type = task_type_to_assign(order.task_type, by.credential)
    new = task_new_run(run_id=run_id, task_type=task_type, order=order, by=by, retry_of=retry_of)
    new = replace(new, once=new.once or once)
    _check_intent(task_type, new.input["params"], by.credential)
    if order.callback_url:
        server_secret_ensure()  # before anything exists: callbacks that nobody can sign are refused
    started = run_start(new)
    task_lines.task_assigned(str(run_id), task_type.name)
    return started


def task_new_run(
    *, run_id: UUID, task_type: TaskType, order: Order, by: Ordering, retry_of: UUID | None = None
) -> NewRun:
    """What the task begins with, whoever may assign it. Raises InvalidInput."""
    params = _params(task_type, order)
    timeout_s, retries = _limits(task_type, order)
    return NewRun(
        run_id=run_id,
        kind=TASK.name,
        owner_id=by.owner_id,
        session_id=None,
        input=_input(task_type, order, params, by=by, retry_of=retry_of),
        request_id=by.request_id,
        once=_once(order),
        subject=task_type.name,
        credential=by.credential.ref if by.credential else f"user:{by.owner_id}",
        queue=task_type.queue,
        priority=order.priority,
        # Whoever has others work repeats nothing when it goes on elsewhere.
        max_attempts=max(retries + 1, TASK.max_attempts if task_type.steps else 0),
        timeout_s=(timeout_s + _BETWEEN_S) * (retries + 1),
        due_at=_due_at(order.eta),
        callback_url=order.callback_url or None,
    )


def task_retry(*, run_id: UUID, task: Run, by: Ordering, idempotency_key: str | None) -> StartedRun:
    """Assign the same again to the same owner. Raises NotRetryable, and as `task_assign`: without a
    key of its own RunRepeated while the task goes on that it was assigned again as.

    `task`: as `selectors.tasks.task_owned` reads it. What the type knows to be done already is left
    out (`services.task_again`).
    """
    if task.status not in FINAL_STATUSES or task.status == SUCCEEDED:
        raise NotRetryable
    given: Mapping[str, Any] = task.input
    if not given:
        raise NotRetryable("The parameters of this task were erased after their time.")
    result = task_result(task=task, with_logs=False).body(now=datetime.now(UTC), with_logs=False)
    settings: Mapping[str, Any] = given.get("settings") or {}
    order = Order(
        task_type=task.subject,
        params=params_again(task.subject, given.get("params") or {}, result["result"]),
        priority=task.priority,
        timeout_s=settings.get("asked_timeout_s"),
        max_retries=settings.get("asked_max_retries"),
        callback_url=given.get("callback_url"),
        idempotency_key=f"retry {task.pk} {idempotency_key}" if idempotency_key else None,
    )
    if (intents := settings.get("intents")) is not None:
        # An operator who assigns it again gives its model no more than it had.
        by = replace(by, intents=tuple(intents))
    once = _once_again(task) if idempotency_key is None else None
    return task_assign(run_id=run_id, order=order, by=by, retry_of=task.pk, once=once)


def _once_again(task: Run) -> Once:
    """Whoever assigns it again, the same task is meant, until that one is over."""
    key = f" retry-task {task.pk}"
    earlier = IdempotencyKey.objects.filter(
        owner_id=task.owner_id, key=key, run__status__in=FINAL_STATUSES
    )
    return Once(
        key=key,
        fingerprint=hashlib.sha256(key.encode()).hexdigest(),
        kind=KeyKind.EQUAL,
        life_s=ORDER_LIFE_S,
        replaces=earlier.values_list("run_id", flat=True).first(),
    )


def _params(task_type: TaskType, order: Order) -> dict[str, Any]:
    if len(orjson.dumps(order.params)) > PARAMS_BYTES:
        raise InvalidInput.of(("params", "must not have more than 256 KiB"))
    return task_type.params_of(order.params)


def _check_intent(
    task_type: TaskType, params: Mapping[str, Any], credential: Credential | None
) -> None:
    """A key that is for certain intents is for no others as tasks either."""
    named, limits = params.get("intent"), credential.intents if credential else None
    is_chosen = named is not None and Scope.INTENTS_RUN in task_type.scopes
    if is_chosen and limits is not None and not is_named(str(named), limits):
        raise ScopeMissing(f"This key is not for the intent {str(named)[:200]!r}.")


def _limits(task_type: TaskType, order: Order) -> tuple[float, int]:
    """(seconds of an attempt, attempts after the first)."""
    timeout_s = task_type.timeout_s if order.timeout_s is None else order.timeout_s
    retries = task_type.max_retries if order.max_retries is None else order.max_retries
    if timeout_s > task_type.timeout_s:
        raise InvalidInput.of(("timeout_s", f"must be at most {task_type.timeout_s:g}"))
    if retries > task_type.max_retries:
        raise InvalidInput.of(("max_retries", f"must be at most {task_type.max_retries}"))
    return timeout_s, retries


def _due_at(eta: datetime | None) -> datetime | None:
    """None: now. A time that is over is now."""
    now = datetime.now(UTC)
    if eta is None or eta <= now:
        return None
    if eta > now + ETA_MAX:
        raise InvalidInput.of(("eta", "must be at most 30 days ahead"))
    return eta


def _input(
    task_type: TaskType,
    order: Order,
    params: Mapping[str, Any],
    *,
    by: Ordering,
    retry_of: UUID | None,
) -> dict[str, Any]:
    timeout_s, retries = _limits(task_type, order)
    settings: dict[str, Any] = {
        "timeout_s": timeout_s,
        "max_retries": retries,
        "version": task_type.version,
        # What was asked for, apart from what the type gave: kept for another attempt.
        "asked_timeout_s": order.timeout_s,
        "asked_max_retries": order.max_retries,
    }
    intents = by.credential.intents if by.credential else by.intents
    if intents is not None:
        settings["intents"] = list(intents)
    if task_type.definition is not None:
        settings["definition"] = dict(task_type.definition)
    made: dict[str, Any] = {"params": params, "settings": settings}
    if order.callback_url:
        # For another attempt; who is told, and whether, is in the outbox.
        made["callback_url"] = order.callback_url
    if retry_of is not None:
        made["retry_of"] = str(retry_of)
    return made


def _once(order: Order) -> Once | None:
    """A key is good for one order of one user at this endpoint; the space keeps it apart from keys
    that clients choose elsewhere."""
    if order.idempotency_key is None:
        return None
    asked = [
        order.task_type,
        order.params,
        order.priority,
        order.timeout_s,
        order.max_retries,
        order.eta,
        order.callback_url,
    ]
    return Once(
        key=f" assign-task {hashlib.sha256(order.idempotency_key.encode()).hexdigest()}",
        fingerprint=hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        kind=KeyKind.HEADER,
        life_s=ORDER_LIFE_S,
    )
