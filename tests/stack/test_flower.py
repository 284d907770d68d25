"""`manage.py flower` as a process of its own: what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.stack.up_process import ROOT

pytestmark = pytest.mark.req("TQ-37")


def _refusal(**env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "flower"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ENV": "test", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    return line


def test_it_does_not_let_everybody_in_from_elsewhere() -> None:
    line = _refusal(FLOWER_ADDRESS="0.0.0.0")

    assert "let everybody in at 0.0.0.0: set FLOWER_BASIC_AUTH" in line


def test_a_name_without_a_password_is_refused_and_not_repeated() -> None:
    line = _refusal(FLOWER_BASIC_AUTH="hunter2")

    assert line == (
        "TaskMapr's settings: FLOWER_BASIC_AUTH must be name:password, several with commas"
    )


@pytest.mark.skipif(find_spec("flower") is not None, reason="it is installed here")
def test_where_it_is_not_installed_it_says_how_to_get_it() -> None:
    assert "requirements/install.py flower" in _refusal()


@pytest.mark.req("TQ-35")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TASKMAPR_PORT", "0"),
        ("FASTAPI_PORT", "70000"),
        ("CELERY_CONCURRENCY", "none"),
        ("CELERY_RESULT_BACKEND", "sqlite"),
        ("LOG_LEVEL", "chatty"),
    ],
)
def test_no_process_starts_with_a_bad_value_and_one_line_says_which(
    variable: str, value: str
) -> None:
    assert _refusal(**{variable: value}).startswith(f"TaskMapr's settings: {variable} must be ")
