"""`.env.example` and the settings name the same variables."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from taskmapr.settings import secrets

ROOT = Path(__file__).resolve().parents[2]


def variables_read() -> set[str]:
    files = (ROOT / "taskmapr" / "settings").glob("*.py")
    text = "\n".join(file.read_text() for file in files)
    called = re.findall(r'env\.(?:text|flag|integer|number|words|choice)\(\s*"([A-Z0-9_]+)"', text)
    return {*called, *secrets._NAMES}


@pytest.mark.req("OV-60")
def test_it_lists_every_variable_that_is_read_and_no_other() -> None:
    assert set(dotenv_values(ROOT / ".env.example")) == variables_read()


@pytest.mark.req("OV-60")
def test_it_lists_each_variable_once() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    names = [line.partition("=")[0] for line in lines if "=" in line and line[0] != "#"]
    assert len(names) == len(set(names))


@pytest.mark.req("OV-60")
def test_only_the_settings_read_the_environment() -> None:
    """The commands that prepare an environment for other processes are the exception."""
    apart = {"taskmapr/settings", "taskmapr/stack", "taskmapr/asgi.py", "taskmapr/celery.py"}
    readers = {
        str(file.relative_to(ROOT))
        for place in ("taskmapr", "orchestration", "agents_cfg")
        for file in (ROOT / place).rglob("*.py")
        if re.search(r"os\.environ(\.get|\[[^\]]+\](?!\s*=[^=]))|getenv", file.read_text())
    }
    assert {name for name in readers if not any(name.startswith(a) for a in apart)} == set()


@pytest.mark.req("OV-60")
def test_what_it_shows_are_the_defaults() -> None:
    shown = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}

    assert _settings_with(shown) == _settings_with({})


def _settings_with(variables: dict[str, str]) -> Any:
    """What a fresh process makes of them. ENV is another one, so that no `.env` is read."""
    tell = (
        "import json, taskmapr.settings as s; "
        "print(json.dumps({n: v for n, v in vars(s).items() if n.isupper() and n != 'UNFOLD'},"
        " default=repr))"
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, **variables, "ENV": "test"}
    done = subprocess.run(
        [sys.executable, "-c", tell], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
