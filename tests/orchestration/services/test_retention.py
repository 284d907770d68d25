from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.models import Message, Run, RunEvent, Session
from orchestration.services.retention import retention_apply, session_erase
from orchestration.services.run_end import run_cancel
from taskmapr.users.models import User
from taskmapr.users.services.erasure import users_erase
from tests.orchestration.conftest import StartRun


def test_contents_of_old_runs_are_erased_and_their_row_stays(start: StartRun) -> None:
    old, recent = start(), start(session_id="s-2")
    for run in (old, recent):
        run_cancel(run_id=run.pk, by="ada")
    Run.objects.filter(pk=old.pk).update(finished_at=datetime.now(UTC) - timedelta(days=31))

    assert retention_apply()["content"] == 1

    old.refresh_from_db()
    assert (old.status, old.input) == ("cancelled", {})
    assert old.content_erased_at is not None
    assert not RunEvent.objects.filter(run_id=old.pk).exists()
    assert RunEvent.objects.filter(run_id=recent.pk).exists()


def test_idle_sessions_stay_unless_a_limit_is_set(start: StartRun, settings: object) -> None:
    start()
    Session.objects.update(updated_at=datetime.now(UTC) - timedelta(days=400))

    assert retention_apply()["sessions"] == 0

    settings.TASKMAPR = {**settings.TASKMAPR, "session_ttl_days": 30}  # type: ignore[attr-defined]
    assert retention_apply()["sessions"] == 1
    assert not Session.objects.exists()


def test_erasing_an_account_takes_its_runs_along(start: StartRun, ada: User, cyd: User) -> None:
    start()
    kept = start(session_id="s-2", owner_id=cyd.pk)
    User.objects.filter(pk=ada.pk).update(erasure_requested_at=datetime.now(UTC))

    gone = users_erase()

    assert (gone["runs"], gone["sessions"], gone["users"]) == (1, 1, 1)
    assert set(RunEvent.objects.values_list("run_id", flat=True)) == {kept.pk}
    assert list(User.objects.all()) == [cyd]


@pytest.mark.req("OV-02")
def test_erasing_a_session_leaves_nothing_of_it(start: StartRun) -> None:
    start()
    kept = start(session_id="s-2")

    session_erase(session_id="s-1")

    assert list(Run.objects.values_list("pk", flat=True)) == [kept.pk]
    assert Message.objects.count() == 1
    assert set(RunEvent.objects.values_list("run_id", flat=True)) == {kept.pk}
