"""A process whose clock is wrong does to runs what any other would."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType
from uuid import UUID

import pytest

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.models import BatchLease, Run, TaskSchedule
from orchestration.models.approval import ApprovalAsks
from orchestration.services import (
    batch_leases,
    leases,
    pausing,
    recovery,
    run_end,
    task_schedules,
)
from orchestration.services.batch_leases import batch_lease_take
from orchestration.services.leases import Claim
from orchestration.services.pausing import approval_open, approval_resolve, run_pause
from orchestration.services.recovery import runs_recover
from orchestration.services.task_schedules import task_schedule_begin, task_schedule_save
from orchestration.standby import ending, holding, rows
from orchestration.standby.ending import standby_sweep
from taskmapr.core.events import ApprovalRequested, RunPaused, RunStarted
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import state, write
from tests.orchestration.standby.conftest import Begin, begin, claimed, store
from tests.orchestration.standby.conftest import write as standby_write

__all__ = ["begin", "store"]

pytestmark = pytest.mark.django_db

Hold = Callable[[UUID], Claim]
Off = Callable[..., type[datetime]]


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Off:
    """From now on the clock of these modules is off by so much: off(leases, minutes=1)"""

    def be_off(*modules: ModuleType, **span: float) -> type[datetime]:
        by = timedelta(**span)

        class Wrong(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + by

        class WrongTime:
            time = staticmethod(lambda: time.time() + by.total_seconds())

        for module in modules:
            # Those that need no clock of their own have none.
            monkeypatch.setattr(module, "datetime", Wrong, raising=False)
            monkeypatch.setattr(module, "time", WrongTime, raising=False)
        return Wrong

    return be_off


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_run_has_its_time(start: StartRun, hold: Hold, off: Off, minutes: int) -> None:
    wrong = off(leases, minutes=minutes)

    claim = hold(start().pk)

    left = claim.deadline_at - wrong.now(UTC)
    assert timedelta(seconds=290) < left <= timedelta(seconds=300)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_pause_moves_a_deadline_by_its_length(
    start: StartRun, hold: Hold, off: Off, minutes: int
) -> None:
    run = start()
    claim = hold(run.pk)
    run.refresh_from_db()
    question = approval_open(run_id=run.pk, asks=ApprovalAsks.QUESTION, question={}, tool="t")
    asked = ApprovalRequested(
        approval_id=str(question.pk), asks="question", expires_at=question.expires_at.isoformat()
    )
    write(claim, asked, RunPaused(approval_ids=[str(question.pk)]))
    run_pause(run_id=run.pk, lease_token=claim.lease_token, last_seq=state(run).seq)
    off(pausing, minutes=minutes)

    approval_resolve(approval_id=question.pk, decision="answered", answer="yes", by="ada")

    moved = Run.objects.get(pk=run.pk).deadline_at - run.deadline_at
    assert timedelta(0) < moved < timedelta(minutes=1)


def test_a_lost_run_is_not_over_early(start: StartRun, hold: Hold, off: Off) -> None:
    run = start()
    write(hold(run.pk))
    Run.objects.update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    off(recovery, minutes=10)

    runs_recover()

    run.refresh_from_db()
    assert run.status == "retrying"


def test_a_run_waits_for_a_worker_as_long_as_any(start: StartRun, off: Off) -> None:
    run = start()
    off(recovery, run_end, minutes=10)

    assert runs_recover()["unclaimed"] == 0
    assert not run_end.run_fail_unclaimed(run_id=run.pk)


def test_a_moment_has_one_task(ada: User, off: Off) -> None:
    nightly = TaskSchedule(owner=ada, name="n", task_type="test_task", params={}, every_s=3600)
    schedule = task_schedule_save(schedule=nightly, by="root")
    assert task_schedule_begin(schedule_id=schedule.pk)
    Run.objects.update(status="succeeded", finished_at=datetime.now(UTC))
    off(task_schedules, hours=1)

    assert task_schedule_begin(schedule_id=schedule.pk) is None


@pytest.mark.req("TQ-47")
def test_a_batch_is_one_tasks(start: StartRun, off: Off, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_leases, "mark_take", lambda *mark: None)
    batch = {"site": "esc", "batch_id": "1"}
    holder, other = start().pk, uuid7()
    in_a_minute = timedelta(minutes=1)
    behind = off(batch_leases, hours=-1)
    assert batch_lease_take(**batch, run_id=holder, until=behind.now(UTC) + in_a_minute)
    ahead = off(batch_leases, hours=1)

    assert not batch_lease_take(**batch, run_id=other, until=ahead.now(UTC) + in_a_minute)

    left = BatchLease.objects.get().expires_at - datetime.now(UTC)
    assert timedelta(0) < left <= in_a_minute


@pytest.mark.req("OV-65")
def test_without_postgres_a_held_run_goes_on(begin: Begin, store: RedisStandby, off: Off) -> None:
    claim = claimed(begin().run_id)
    standby_write(claim, RunStarted(attempt=1, worker="w1"))
    off(ending, holding, rows, minutes=10)

    assert standby_sweep() == 0
    assert claim.deadline_at - datetime.now(UTC) > timedelta(seconds=290)
