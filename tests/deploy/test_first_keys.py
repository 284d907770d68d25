"""deploy/first-keys.sh: secrets that are made once, and those of an .env taken over."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import ROOT

pytestmark = pytest.mark.req("TQ-38", "VB-85")

SECRETS = ("DJANGO_SECRET_KEY", "TASKMAPR_SECRET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD")


def _run(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(ROOT / "deploy" / "first-keys.sh"), str(folder)]
    env = {"PATH": "/usr/bin:/bin:/usr/sbin", **given}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def _kept(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_a_first_start_makes_what_nobody_gave(tmp_path: Path) -> None:
    done = _run(tmp_path)

    kept = _kept(tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(kept) == {*SECRETS, "DATABASE_URL"}
    assert len({kept[name] for name in SECRETS}) == 4
    assert all(re.fullmatch("[A-Za-z0-9]{48}", kept[name]) for name in SECRETS)
    assert kept["DATABASE_URL"] == (
        f"postgresql://taskmapr:{kept['POSTGRES_PASSWORD']}@postgres:5432/taskmapr"
    )
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert not any(kept[name] in done.stdout + done.stderr for name in SECRETS)


def test_a_second_start_finds_them(tmp_path: Path) -> None:
    _run(tmp_path)
    before = _kept(tmp_path)

    assert _run(tmp_path).returncode == 0

    assert _kept(tmp_path) == before


def test_what_is_given_is_taken_over(tmp_path: Path) -> None:
    given = {name: f"given{number}" for number, name in enumerate(SECRETS)}

    assert _run(tmp_path, **given).returncode == 0

    kept = _kept(tmp_path)
    assert {name: kept[name] for name in SECRETS} == given
    assert "given3@postgres" in kept["DATABASE_URL"]


def test_a_key_that_opens_nothing_of_what_is_stored_is_refused(tmp_path: Path) -> None:
    _run(tmp_path, TASKMAPR_SECRET_KEY="first")

    refused = _run(tmp_path, TASKMAPR_SECRET_KEY="second")
    rotated = _run(tmp_path, TASKMAPR_SECRET_KEY="second,first")
    done_with_it = _run(tmp_path, TASKMAPR_SECRET_KEY="second")

    assert refused.returncode == 1
    assert "TASKMAPR_SECRET_KEY=new,old" in refused.stderr
    assert (rotated.returncode, done_with_it.returncode) == (0, 0)
    assert _kept(tmp_path)["TASKMAPR_SECRET_KEY"] == "second"
