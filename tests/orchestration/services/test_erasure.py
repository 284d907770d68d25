"""What is left when a user or a session is deleted: nothing but counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from memory.models import MemoryItem
from memory.services.items import memory_item_add
from orchestration.models import (
    Approval,
    Artifact,
    Command,
    Effect,
    ErasedRuns,
    Message,
    Run,
    RunEvent,
    Session,
)
from orchestration.models.approval import ApprovalAsks
from orchestration.services import effects, pausing
from orchestration.services.leases import Claim
from orchestration.services.retention import retention_apply, session_erase
from taskmapr.core.events import TextDelta
from taskmapr.users.models import User
from taskmapr.users.services.accounts import user_delete
from taskmapr.users.services.erasure import users_erase
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import write
from tests.orchestration.whole_database import whole_database

FULL = (Approval, Artifact, Command, Effect, Message, Run, RunEvent, Session, MemoryItem)


@pytest.fixture(autouse=True)
def _files_in_a_place_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Artifact._meta.get_field("file").storage  # type: ignore[union-attr]
    monkeypatch.setattr(storage, "location", str(tmp_path))


@pytest.fixture
def live(start: StartRun, hold: Callable[[UUID], Claim]) -> Callable[..., Run]:
    """A run with a row in every table, each with the word quetzal where words may stand."""

    def make(user: User, session_id: str) -> Run:
        run = start(
            owner_id=user.pk, session_id=session_id, prompt="quetzal", input={"prompt": "quetzal"}
        )
        claim = hold(run.pk)
        write(claim, TextDelta(text="quetzal"))
        effects.effect_begin(
            run_id=run.pk,
            lease_token=claim.lease_token,
            call_id="c1",
            tool="test.write",
            fingerprint="f",
        )
        effects.effect_settle(
            run_id=run.pk, lease_token=claim.lease_token, call_id="c1", receipt={"ok": "quetzal"}
        )
        pausing.approval_open(
            run_id=run.pk,
            asks=ApprovalAsks.APPROVAL,
            question={"prompt": "quetzal"},
            call_id="c2",
            tool="test.write",
            fingerprint="f",
        )
        Command.objects.create(run=run, kind="cancel", by="quetzal", data={"a": "quetzal"})
        file = ContentFile(b"quetzal", name="quetzal.txt")
        Artifact.objects.create(
            run=run, name="quetzal", media_type="text/plain", size_bytes=7, file=file
        )
        memory_item_add(user_id=user.pk, text="quetzal", source_run_id=run.pk)
        Run.objects.filter(pk=run.pk).update(
            instructions="quetzal",
            input_tokens=100,
            output_tokens=10,
            cost_usd_micros=7,
            lease_expires_at=None,
        )
        return run

    return make


def counts() -> list[int]:
    return [model.objects.count() for model in FULL]  # type: ignore[attr-defined]


@pytest.mark.req("OV-73", "VB-10")
def test_of_a_deleted_user_only_counts_are_left(
    live: Callable[..., Run], ada: User, cyd: User
) -> None:
    run = live(ada, "s-ada")
    file = Artifact.objects.get().file
    assert file.storage.exists(file.name)
    user_delete(user_id=ada.pk)

    users_erase()

    left = whole_database()
    for trace in ("quetzal", str(ada.pk), str(run.pk), "s-ada", "ada@example.org"):
        assert trace not in left, trace
    assert not file.storage.exists(file.name)
    kept = ErasedRuns.objects.get()
    assert (kept.kind, kept.status, kept.runs) == ("overlay", "running", 1)
    assert (kept.input_tokens, kept.output_tokens, kept.cost_usd_micros) == (100, 10, 7)
    assert kept.day == run.created_at.date()


@pytest.mark.req("OV-73")
def test_of_another_user_nothing_is_lost(live: Callable[..., Run], ada: User, cyd: User) -> None:
    live(cyd, "s-cyd")
    before = counts()
    assert 0 not in before
    live(ada, "s-ada")
    user_delete(user_id=ada.pk)

    users_erase()

    assert counts() == before


@pytest.mark.req("OV-73")
def test_of_a_deleted_session_only_counts_are_left(live: Callable[..., Run], ada: User) -> None:
    live(ada, "s-kept")
    before = counts()
    gone = live(ada, "s-gone")
    file = Artifact.objects.get(run=gone).file

    session_erase(session_id="s-gone")

    assert counts() == before
    left = whole_database()
    for trace in (str(gone.pk), "s-gone"):
        assert trace not in left, trace
    assert not file.storage.exists(file.name)


@pytest.mark.req("OV-48", "OV-73")
def test_a_session_that_grew_old_leaves_what_it_taught(
    live: Callable[..., Run], ada: User, settings: Any
) -> None:
    live(ada, "s-old")
    Session.objects.update(updated_at=datetime.now(UTC) - timedelta(days=31))
    settings.TASKMAPR = {**settings.TASKMAPR, "session_ttl_days": 30}

    assert retention_apply()["sessions"] == 1

    assert not Run.objects.exists()
    assert MemoryItem.objects.count() == 1


@pytest.mark.req("OV-73")
def test_counts_of_a_day_add_up(live: Callable[..., Run], ada: User) -> None:
    for session_id in ("s-1", "s-2"):
        live(ada, session_id)
        session_erase(session_id=session_id)

    kept = ErasedRuns.objects.get()
    assert (kept.runs, kept.input_tokens, kept.cost_usd_micros) == (2, 200, 14)


@pytest.mark.req("OV-73")
def test_the_cleanup_takes_memory_that_is_past_its_time(ada: User) -> None:
    memory_item_add(user_id=ada.pk, text="x", ttl_s=60)
    assert retention_apply()["memory_items"] == 0

    MemoryItem.objects.update(expires_at="2020-01-01T00:00:00Z")
    assert retention_apply()["memory_items"] == 1


@pytest.mark.req("OV-06", "OV-73")
def test_operators_see_the_counts(live: Callable[..., Run], ada: User) -> None:
    live(ada, "s-1")
    session_erase(session_id="s-1")
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "a long password"))

    page = client.get("/admin/orchestration/erasedruns/")

    assert page.status_code == 200
    assert "overlay" in page.content.decode()
