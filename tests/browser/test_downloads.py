from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taskmapr import wiring
from taskmapr.core.browser import BrowserRequest, BrowserUnavailable
from taskmapr.core.ids import uuid7


@pytest.mark.req("TQ-22", "TQ-32")
def test_downloads_of_earlier_tasks_go_when_their_time_is_over(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(name: str, days: float) -> Path:
        place = tmp_path / "downloads" / name
        place.mkdir(parents=True)
        place.joinpath("report.csv").write_text("a,b")
        at = time.time() - days * 86_400
        os.utime(place, (at, at))
        return place

    old, recent = folder(str(uuid7()), days=8), folder(str(uuid7()), days=6)
    somebodys = folder("letters", days=800)
    settings.BROWSER = replace(settings.BROWSER, download_path=tmp_path / "downloads")
    monkeypatch.setenv("PATH", str(tmp_path))
    request = BrowserRequest(task_id=str(uuid7()), allowed_hosts=())

    with pytest.raises(BrowserUnavailable), wiring.build().browser(request):
        pytest.fail("opened")

    assert not old.exists()
    assert recent.joinpath("report.csv").exists()
    assert somebodys.joinpath("report.csv").exists()
