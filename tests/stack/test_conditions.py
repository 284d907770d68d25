from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from taskmapr.stack.conditions import require_data_dir
from taskmapr.stack.errors import StackFailed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.req("OV-10")
def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(StackFailed, match="Only 5 MB are free"):
        require_data_dir(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.req("OV-77")
@pytest.mark.parametrize("program", ["manage.py", "requirements/install.py"])
def test_an_old_python_is_one_line(program: str) -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 9, 2); sys.version = '3.9.2 (old)'; "
        f"sys.argv = [{program!r}, 'base']; runpy.run_path({program!r}, run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", pretend],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 1
    assert result.stderr == "TaskMapr needs Python 3.11 or newer; this is 3.9.2\n"


@pytest.mark.req("OV-77")
def test_the_licence_is_mit() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text()
