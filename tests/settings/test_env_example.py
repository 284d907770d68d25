"""`.env.example` and the settings name the same variables."""

import re
from pathlib import Path

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
