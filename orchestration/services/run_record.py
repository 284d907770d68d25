"""Runs that begin and end in one transaction: work that touches nothing but our own database.

Such a run waits for no queue and no worker. Its log is the same as any other's, and what its tool
wrote is stored together with the log or not at all, so its effect needs no ledger.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import InterfaceError, OperationalError, connection, transaction

from orchestration.log.crashes import tool_crash
from orchestration.log.endings import Totals, Verdict, error_message, last_events
from orchestration.log.wire import StoredEvent, encode, fit_to_store
from orchestration.services.deliveries import delivery_register
from orchestration.services.idempotency import key_take
from orchestration.services.run_start import NewRun, run_created, run_permit
from taskmapr.core import wired
from taskmapr.core.errors import TaskMaprError, ToolFailed
from taskmapr.core.events import (
    Event,
    ResultGiven,
    RunFinished,
    RunStarted,
    ToolCompleted,
    ToolCrashed,
    ToolStarted,
    data_of,
    kind_of,
)
from taskmapr.core.ports import Sealer
from taskmapr.core.run_kinds import run_kind
from taskmapr.core.run_state import RunState, advance

logger = logging.getLogger(__name__)

#: How the process is named that did the work: no worker held the run.
_WORKER: Final = f"web@{socket.gethostname()}"[:80]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCall:
    """The one tool call of such a run. `perform` is sync, uses the database of the caller's
    transaction and nothing else, and returns JSON or raises a TaskMaprError."""

    call_id: str
    tool: str
    #: As the log may show them: redacted.
    args: Mapping[str, Any]
    perform: Callable[[], Any]
    #: What a call that takes so many seconds costs.
    cost_of: Callable[[float], int] = lambda seconds: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run that is over. `value`: what the tool gave, when there is no `error`."""

    run_id: UUID
    events: list[Event]
    value: Any = None
    error: TaskMaprError | None = None

    @property
    def duration_ms(self) -> int:
        return int(self.events[-1].data["duration_ms"])


def run_record(new: NewRun, call: OwnCall, *, keeps_key: bool = False) -> RecordedRun:
    """Do the work of a run and write all of it, in one transaction.

    When the tool fails, what it wrote is undone and the run is written as failed; its idempotency
    key is kept then only if `keeps_key`. Raises RunRepeated and IdempotencyKeyReused when
    `new.once` says that the request came before, what the policy raises, and what the database
    raises.
    """
    try:
        with transaction.atomic():
            keys = _key_take(new)
            log = _Log(run_permit(new), call)
            value = _performed(new, call)
            log.done(value)
            _write(new, log, keys)
    except _CallFailed as failed:
        return _failed(new, call, failed, keeps_key)
    return RecordedRun(run_id=new.run_id, events=log.events, value=value)


class _CallFailed(Exception):
    """Leaves the transaction, so that what the tool wrote is undone."""

    def __init__(self, error: TaskMaprError, crash: ToolCrashed | None = None) -> None:
        self.error, self.crash = error, crash
        super().__init__(error.code)


def _performed(new: NewRun, call: OwnCall) -> Any:
    try:
        return call.perform()
    except TaskMaprError as error:
        raise _CallFailed(error) from None
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # Tools come from many authors; what went wrong is for operators, not for callers.
        logger.exception("run %s: tool %s failed", new.run_id, call.tool)
        told = ToolFailed("Tool failed", details={"request_id": new.request_id})
        crash = tool_crash(error, call_id=call.call_id, tool=call.tool)
        raise _CallFailed(told, crash) from None


@transaction.atomic
def _failed(new: NewRun, call: OwnCall, failed: _CallFailed, keeps_key: bool) -> RecordedRun:
    log = _Log(new, call)
    keys = _key_take(new) if keeps_key else None
    log.failed(failed.error, failed.crash)
    _write(new, log, keys)
    return RecordedRun(run_id=new.run_id, events=log.events, error=failed.error)


def _key_take(new: NewRun) -> str | None:
    """The owner's row of data keys, if it was read on the way."""
    if new.once is None:
        return None
    with connection.cursor() as cursor:
        return key_take(cursor, owner_id=new.owner_id, run_id=new.run_id, once=new.once)


class _Log:
    """The run's events from the first to the last, each of them checked as everywhere."""

    def __init__(self, new: NewRun, call: OwnCall) -> None:
        self.events: list[Event] = []
        self._run_id, self._call = new.run_id, call
        self._state = RunState()
        self._cost: int | None = None
        self.error: TaskMaprError | None = None
        self._add(run_created(new))
        self.started_at = self.events[0].at
        self._add(RunStarted(attempt=1, worker=_WORKER))
        self._add(ToolStarted(call_id=call.call_id, tool=call.tool, args=dict(call.args)))

    def done(self, value: Any) -> None:
        self._completed(ok=True)
        self._add(ResultGiven(value=value))
        self._end(Verdict())

    def failed(self, error: TaskMaprError, crash: ToolCrashed | None) -> None:
        self.error = error
        if crash is not None:
            self._add(crash)
        self._completed(ok=False, error=error.detail)
        self._end(Verdict(error=error))

    @property
    def finished(self) -> RunFinished:
        return RunFinished(**self.events[-1].data)

    def stored(self, sealer: Sealer | None) -> Iterable[StoredEvent]:
        return (encode(event, sealer) for event in self.events)

    def _completed(self, *, ok: bool, error: str | None = None) -> None:
        took_s = (datetime.now(UTC) - self.started_at).total_seconds()
        # A call that failed took nothing: what it wrote is undone.
        self._cost = (self._call.cost_of(took_s) or None) if ok else None
        self._add(
            ToolCompleted(
                call_id=self._call.call_id,
                tool=self._call.tool,
                ok=ok,
                duration_ms=round(took_s * 1000),
                error=error,
                cost_usd_micros=self._cost,
            )
        )

    def _end(self, verdict: Verdict) -> None:
        # As for runs of workers: what costs nothing is known to.
        totals = Totals(model="", started_at=self.started_at, cost_usd_micros=self._cost or 0)
        for payload in last_events(self._state, verdict, totals):
            self._add(payload)

    def _add(self, payload: object) -> None:
        event = Event(
            self._run_id,
            self._state.seq + 1,
            kind_of(payload).name,
            fit_to_store(data_of(payload)),
            datetime.now(UTC),
        )
        self._state = advance(self._state, event)
        self.events.append(event)


# The run with its last columns, and its whole log: one round trip.
_WRITE: Final = """
WITH run AS (
  INSERT INTO agent_runs (id, kind, owner_id, status, is_sealed, input, queue, request_id, subject,
      mode, credential, priority, max_attempts, attempt, last_seq, lease_token, cost_usd_micros,
      duration_ms, error_code, error_message, created_at, enqueued_at, started_at, finished_at)
  VALUES (%(id)s, %(kind)s, %(owner)s, %(status)s, %(sealed)s, %(input)s::jsonb, %(queue)s,
      %(request_id)s, %(subject)s, %(mode)s, %(credential)s, %(priority)s, %(max_attempts)s, 1,
      %(last_seq)s, 1, %(cost)s, %(duration_ms)s, %(error_code)s, %(error_message)s, %(begun)s,
      %(begun)s, %(begun)s, %(ended)s)
)
INSERT INTO agent_run_events (run_id, seq, kind, data, at)
SELECT %(id)s, e.seq, e.kind, e.data, e.at
FROM json_to_recordset(%(log)s::json) AS e(seq bigint, kind text, data jsonb, at timestamptz)
"""


def _write(new: NewRun, log: _Log, keys: str | None) -> None:
    kind = run_kind(new.kind)
    sealer = wired.ports().sealers.for_user(new.owner_id, keys) if kind.sealed else None
    given = dict(new.input) if sealer is None else {"sealed": sealer.seal(dict(new.input))}
    stored = list(log.stored(sealer))
    finished, error = log.finished, log.error
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                "id": new.run_id,
                "kind": new.kind,
                "owner": new.owner_id,
                "status": finished.status,
                "sealed": kind.sealed,
                "input": orjson.dumps(given).decode(),
                "queue": new.queue or kind.queue,
                "request_id": new.request_id,
                "subject": new.subject,
                "mode": new.mode,
                "credential": new.credential,
                "priority": new.priority,
                "max_attempts": new.max_attempts,
                "last_seq": len(stored),
                "cost": finished.cost_usd_micros,
                "duration_ms": finished.duration_ms,
                "error_code": error.code if error else "",
                "error_message": error_message(error, is_sealed=kind.sealed),
                "begun": log.started_at,
                "ended": log.events[-1].at,
                "log": _rows(stored),
            },
        )
    if new.callback_url is not None:
        delivery_register(run_id=new.run_id, url=new.callback_url)


def _rows(stored: Iterable[StoredEvent]) -> str:
    """As one parameter: psycopg would dump arrays member by member."""
    rows = (
        {"seq": e.seq, "kind": e.kind, "data": orjson.Fragment(e.data_json), "at": e.at}
        for e in stored
    )
    return orjson.dumps(list(rows)).decode()
