"""What tests of the browser share: pages to look at, and a place for profiles."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.models import Run
from taskmapr.users.models import User
from tests.browser.context import RecordingContext
from tests.browser.pages import Pages


@pytest.fixture(scope="session")
def chromium() -> None:
    """Skips where there is none."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("Chromium and chromedriver are not installed")


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    with Pages() as pages:
        yield pages


@pytest.fixture
def profiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where browsers of this test keep their profiles: empty when none is left over. Its path is
    short, for there are sockets in them."""
    with tempfile.TemporaryDirectory(prefix="tm-test-") as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield Path(place)


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def context(ada: User) -> Callable[..., RecordingContext]:
    """Makes contexts of running tasks of Ada's; keyword arguments are their fields."""

    def make(**changes: Any) -> RecordingContext:
        run = Run.objects.create(kind="task", owner=ada, status="running", queue="browser")
        return RecordingContext(task_id=str(run.pk), user_id=str(ada.pk), **changes)

    return make
