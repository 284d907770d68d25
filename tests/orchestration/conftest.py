"""Runs for tests: the cast, recording ports, and short ways to begin and hold a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import FileSystemStorage

from agents_cfg.selectors.fresh import fresh
from orchestration.models import Artifact, Run
from orchestration.services.leases import Claim, lease_claim
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core import wired
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingLog, RecordingQueue, RecordingSignals
from tests.sshd import sshd

__all__ = ["sshd"]


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def cyd(db: None) -> User:
    return User.objects.create_user("cyd@example.org", "a long password")


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


@pytest.fixture
def signals() -> RecordingSignals:
    return RecordingSignals()


@pytest.fixture
def live_log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture(autouse=True)
def ports(
    queue: RecordingQueue, signals: RecordingSignals, live_log: RecordingLog
) -> Iterator[wired.Ports]:
    """The real bundle with recording stand-ins for what leaves the process."""
    real = wired.ports()
    fresh.clear()
    wired.wire(replace(real, queue=queue, signals=signals, log=live_log))
    yield wired.ports()
    wired.wire(real)


@pytest.fixture(autouse=True)
def artifact_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files of runs lie during this test."""
    folder = tmp_path / "artifacts"
    field: Any = Artifact._meta.get_field("file")
    monkeypatch.setattr(field, "storage", FileSystemStorage(location=folder))
    return folder


StartRun = Callable[..., Run]


@pytest.fixture
def start(ada: User) -> StartRun:
    """Start an overlay run of Ada's; keyword arguments change the request."""

    def begin(**changes: Any) -> Run:
        given: dict[str, Any] = {
            "run_id": uuid7(),
            "kind": "overlay",
            "owner_id": ada.pk,
            "session_id": "s-1",
            "input": {"prompt": "Hello"},
            "prompt": "Hello",
            "model": "mock/echo",
        }
        new = NewRun(**{**given, **changes})
        run_start(new)
        return Run.objects.get(pk=new.run_id)

    return begin


@pytest.fixture
def hold() -> Callable[[UUID], Claim]:
    """Take a run's lease as worker `w1`."""

    def take(run_id: UUID, worker_id: str = "w1") -> Claim:
        claim = lease_claim(run_id=run_id, worker_id=worker_id)
        assert claim is not None
        return claim

    return take
