"""What tests of the browser share: pages to look at, and a place for profiles."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
