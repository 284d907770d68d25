"""What the image and compose.yaml start, started in their order against empty servers."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from taskmapr.stack.redis import EmbeddedRedis
from tests.conftest import servers
from tests.deploy.files import ROOT, compose
from tests.e2e.processes import ServiceProcess
from tests.e2e.stack import PATIENCE_S, place_make, wait_until
from tests.stack.up_process import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.req("OV-74", "VB-85", "VB-88")]


@pytest.fixture(scope="module")
def place() -> Path:
    return place_make()


@pytest.fixture(scope="module")
def environment(place: Path) -> Iterator[dict[str, str]]:
    """As compose.yaml has it for who prepared nothing: the secrets of deploy/first-keys.sh, and
    servers that hold nothing."""
    keys = place / "keys"
    keys.mkdir()
    subprocess.run(["sh", str(ROOT / "deploy" / "first-keys.sh"), str(keys)], check=True)
    servers.postgres_start()
    database = f"image_commands_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with servers.alone():
        servers.postgres.database_make(database)
    redis = EmbeddedRedis(place)
    redis.start()
    given = {
        name: value.replace("/keys/", f"{keys}/")
        for name, value in compose()["services"]["web"]["environment"].items()
        if name.endswith("_FILE")
    }
    yield {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        **given,
        "ENV": "prod",
        "TASKMAPR_PUBLIC_URL": "http://localhost:8000",
        "PORT": str(free_port()),
        "TASKMAPR_DATA_DIR": str(place / "data"),
        "DATABASE_URL": servers.postgres.url_of(database),
        "REDIS_URL": redis.url,
    }
    redis.stop()


def _command(service: str) -> list[str]:
    """The arguments after `python`."""
    command = compose()["services"][service]["command"]
    assert command[0] == "python"
    return command[1:]


def _carry_out(arguments: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def migrated(environment: dict[str, str]) -> dict[str, str]:
    shell, option, script = compose()["services"]["migrate"]["command"]
    assert (shell, option) == ("sh", "-c")
    for words in (shlex.split(part) for part in script.split("&&")):
        _carry_out(words[1:], environment)
    _carry_out(["manage.py", "collectstatic", "--no-input", "--verbosity", "0"], environment)
    return environment


def _ready(port: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return json.load(answer)["status"] == "ready"
    except (HTTPError, OSError):
        return False


def test_they_become_ready_serve_and_end_when_asked(migrated: dict[str, str], place: Path) -> None:
    logs = place / "logs"
    logs.mkdir(exist_ok=True)
    processes = {
        name: ServiceProcess(name, _command(name), env=migrated, logs=logs)
        for name in ("web", "worker", "worker-browser", "beat")
    }
    with ExitStack() as ending:
        for process in processes.values():
            ending.callback(process.end)
            process.start()
        wait_until(lambda: _ready(migrated["PORT"]), timeout_s=PATIENCE_S)
        for name in ("worker", "worker-browser"):
            log = processes[name].log
            wait_until(lambda log=log: " ready." in log.read_text(), timeout_s=PATIENCE_S)

        _carry_out(["deploy/healthcheck.py"], migrated)
        _carry_out(["deploy/worker_healthcheck.py"], migrated)
        with urlopen(f"http://127.0.0.1:{migrated['PORT']}/admin/login/") as page:
            assert "/assets/taskmapr/tokens." in page.read().decode()  # the collected name

        for process in processes.values():
            process.signal(signal.SIGTERM)
        ended = {name: process.wait() for name, process in processes.items()}
        # uvicorn ends by the signal itself, when it has said goodbye.
        assert ended == {"web": -signal.SIGTERM, "worker": 0, "worker-browser": 0, "beat": 0}


@pytest.mark.parametrize("command", ["web", "worker", "beat"])
def test_they_do_not_start_without_a_secret(migrated: dict[str, str], command: str) -> None:
    env = {**migrated, "JWT_SECRET_FILE": ""}

    done = subprocess.run(
        [sys.executable, *_command(command)], cwd=ROOT, env=env, capture_output=True, check=False
    )

    assert done.returncode == 1
    assert b"taskmapr.E003: JWT_SECRET is not set." in done.stderr


def test_an_operator_can_be_made(migrated: dict[str, str]) -> None:
    env = {**migrated, "DJANGO_SUPERUSER_PASSWORD": "a long enough phrase"}

    told = _carry_out(
        ["manage.py", "createsuperuser", "--no-input", "--email", "root@example.org"], env
    )

    assert "created" in told
