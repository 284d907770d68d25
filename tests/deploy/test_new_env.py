"""deploy/new-env.sh: the file that it writes is one that production starts with."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest
from django.test import override_settings
from dotenv import dotenv_values

from taskmapr.stack.checks import check_secrets
from tests.deploy.files import DATABASE_IMAGE, ROOT, settings_known


def _written(folder: Path, *address: str) -> dict[str, str]:
    done = _run(folder, *address)
    assert done.returncode == 0, done.stderr
    return {name: value or "" for name, value in dotenv_values(folder / ".env").items()}


def _run(folder: Path, *address: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(ROOT / "deploy" / "new-env.sh"), *address]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.req("VB-85")
def test_its_secrets_pass_the_checks_of_production(tmp_path: Path) -> None:
    written = _written(tmp_path, "https://taskmapr.example")

    with override_settings(
        ENV="prod",
        SECRET_KEY=written["DJANGO_SECRET_KEY"],
        TASKMAPR_SECRET_KEYS=[written["TASKMAPR_SECRET_KEY"]],
        JWT_SECRET=written["JWT_SECRET"],
    ):
        assert check_secrets() == []
    # Goes into an address as it is.
    assert re.fullmatch(r"[A-Za-z0-9]{48}", written["POSTGRES_PASSWORD"])


def test_no_two_secrets_are_the_same(tmp_path: Path) -> None:
    written = _written(tmp_path, "https://taskmapr.example")

    secrets = [value for name, value in written.items() if re.search("SECRET|PASSWORD", name)]
    assert len(set(secrets)) == 4


@pytest.mark.req("OV-60")
def test_every_variable_is_read_by_somebody(tmp_path: Path) -> None:
    assert set(_written(tmp_path)) <= settings_known() | DATABASE_IMAGE


def test_only_an_address_of_https_expects_a_proxy(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    names = ["TASKMAPR_HTTPS_REDIRECT", "TASKMAPR_BEHIND_PROXY", "TASKMAPR_TRUSTED_PROXIES"]

    secure = _written(tmp_path / "a", "https://taskmapr.example")
    plain = _written(tmp_path / "b")

    assert [secure[name] for name in names] == ["true", "true", "1"]
    assert [plain[name] for name in names] == ["false", "false", "0"]
    assert plain["TASKMAPR_PUBLIC_URL"] == "http://localhost:8000"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    _written(tmp_path)

    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_it_leaves_a_file_alone_that_is_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TASKMAPR_SECRET_KEY=kept")

    assert _run(tmp_path, "https://taskmapr.example").returncode == 1
    assert (tmp_path / ".env").read_text() == "TASKMAPR_SECRET_KEY=kept"


def test_it_refuses_what_is_no_address(tmp_path: Path) -> None:
    assert _run(tmp_path, "taskmapr.example").returncode == 2
    assert not (tmp_path / ".env").exists()
