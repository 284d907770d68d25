"""Everything under test, started for one run of the benchmarks and gone with it.

The program lines are those of `manage.py up`; the settings are those of production.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson

from benchmarks.client import Job, job_line
from benchmarks.meters import Meters
from taskmapr.stack.children import spawn, stop
from taskmapr.stack.postgres import EmbeddedPostgres
from taskmapr.stack.redis import EmbeddedRedis

ROOT = Path(__file__).resolve().parents[1]
PROFILE = "bench"


class Stack:
    """Postgres, Redis, the model server, web, worker, the baseline and the readers."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.postgres = EmbeddedPostgres(place)
        self.redis = EmbeddedRedis(place)
        self.ports = {name: free_port() for name in ("model", "web", "baseline")}
        #: Where a workflow engine is expected; whoever measures flows starts one there.
        self.flow_port = free_port()
        self.env: dict[str, str] = {}
        self.token = ""
        self.meters: Meters
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    # Starting and stopping -----------------------------------------------------------------------

    def start(self, server: str) -> None:
        self.postgres.start()
        self.redis.start()
        self.env = {**os.environ, **self._environment()}
        os.environ.update(self._environment())
        _database_prepare()
        self._run("model", ["-m", "tests.modelserver", "--port", str(self.ports["model"])])
        self._run("baseline", uvicorn_line("benchmarks.baseline:app", self.ports["baseline"]))
        self._run("client", ["-m", "benchmarks.client"], talks=True)
        self._run("worker", worker_line())
        self.web_start(server)
        self._wait_for("baseline", "/docs")
        self.token = self._sign_up()

    def web_start(self, server: str) -> None:
        """The web process runs on that server; the one before is gone."""
        from taskmapr.stack.programs import server_command

        if "web" in self.processes:
            stop(self.processes.pop("web"), signal.SIGTERM, timeout_s=15)
        self._run("web", server_command(server, "127.0.0.1", self.ports["web"]))
        self._wait_for("web", "/health", until=_has_worker)
        self._meter()

    def worker_restart(self) -> None:
        stop(self.processes.pop("worker"), signal.SIGTERM, timeout_s=40)
        self._run("worker", worker_line())
        self._wait_for("web", "/health", until=_has_worker)
        self._meter()

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.redis.stop()
        self.postgres.stop()

    def _environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "taskmapr.settings",
            "ENV": "prod",
            # A server's own worker processes end with it.
            "TASKMAPR_SUPERVISED": "1",
            "TASKMAPR_HTTPS_REDIRECT": "false",
            "TASKMAPR_DATA_DIR": str(self.place),
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "HOST": "127.0.0.1",
            "PORT": str(self.ports["web"]),
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.ports['model']}/v1",
            "TASKMAPR_RATE_LIMIT_PER_MINUTE": "10000000",
            "TASKMAPR_INTENTS_PER_MINUTE": "10000000",
            "TASKMAPR_INTENT_JOBS_AT_ONCE": "100000",
            "TASKMAPR_SOCKETS_PER_KEY": "0",
            "N8N_WEBHOOK_BASE": f"http://127.0.0.1:{self.flow_port}/webhook",
            **{
                name: secrets.token_urlsafe(48)
                for name in ("DJANGO_SECRET_KEY", "TASKMAPR_SECRET_KEY", "JWT_SECRET")
            },
        }

    def _run(self, name: str, arguments: Sequence[str], *, talks: bool = False) -> None:
        log = (self.place / f"{name}.log").open("ab")
        if talks:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            return
        self.processes[name] = spawn(
            [sys.executable, *arguments], stdout=log.fileno(), env=self.env, cwd=ROOT
        )

    def _meter(self) -> None:
        pids = {name: self.processes[name].pid for name in ("web", "worker", "baseline", "client")}
        pids["model"] = self.processes["model"].pid
        for name, server in (("postgres", self.postgres), ("redis", self.redis)):
            assert server.process is not None
            pids[name] = server.process.pid
        self.meters = Meters(pids)

    # Talking -------------------------------------------------------------------------------------

    def ask(self, job: Job) -> dict[str, Any]:
        """One job of the readers, from its beginning to its end."""
        self.say(job)
        return self.hear()

    def say(self, job: Job | None) -> None:
        stdin = self.processes["client"].stdin
        assert stdin is not None
        stdin.write(job_line(job) if job is not None else b"\n")
        stdin.flush()

    def hear(self) -> dict[str, Any]:
        stdout = self.processes["client"].stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise RuntimeError((self.place / "client.log").read_text()[-2000:])
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    def hammer(
        self, url: str, body: dict[str, Any], *, count: int, at_once: int, first: int = 0
    ) -> dict[str, Any]:
        """So many requests of the signed-in user, by a process of their own; what it tells."""
        job = {
            "url": url,
            "headers": {"Authorization": f"Bearer {self.token}"},
            "body": body,
            "count": count,
            "at_once": at_once,
            "first": first,
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.hammer"],
            input=orjson.dumps(job),
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            check=True,
            timeout=600,
        )
        told: dict[str, Any] = orjson.loads(done.stdout)
        return told

    def sign_in(self) -> None:
        """Access tokens live for minutes; a long benchmark needs several."""
        self.token = self._post("/api/v1/auth/login", self._credentials)["access_token"]

    _credentials = {"email": "ada@example.org", "password": secrets.token_urlsafe(16)}

    def _sign_up(self) -> str:
        token: str = self._post("/api/v1/auth/register", self._credentials)["access_token"]
        return token

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.ports['web']}{path}"
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(url, data=orjson.dumps(body), headers=headers), timeout=20) as answer:
            read: dict[str, Any] = orjson.loads(answer.read())
        return read

    def _wait_for(self, name: str, path: str, until: Any = bool, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                url = f"http://127.0.0.1:{self.ports[name]}{path}"
                with urlopen(url, timeout=5) as answer:
                    if until(answer.read()):
                        return
            except (URLError, OSError):
                pass
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                raise RuntimeError(f"{name}: {(self.place / f'{name}.log').read_text()[-3000:]}")
            time.sleep(0.1)


def _has_worker(health: bytes) -> bool:
    return bool(orjson.loads(health)["status"] == "healthy")


def uvicorn_line(application: str, port: int) -> list[str]:
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return ["-m", "uvicorn", *options, "--log-level", "warning", "--port", str(port), application]


def worker_line() -> list[str]:
    """One for all queues."""
    from django.conf import settings

    from taskmapr.stack.programs import worker_command

    return worker_command("worker", settings.QUEUES)


def _database_prepare() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from agents_cfg.models import OverlayProfile

    call_command("migrate", verbosity=0, interactive=False)
    call_command("seed", verbosity=0)
    OverlayProfile.objects.filter(is_default=True).update(is_default=False)
    OverlayProfile.objects.create(name=PROFILE, is_default=True, allowed_models=_MODELS)


_MODELS = [
    f"{kind}-{shape}"
    for kind in ("bench", "clock", "silent")
    for shape in ("1", "1x0", "8x20", "64x0", "64x20", "64x100")
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_stack(server: str) -> Iterator[Stack]:
    """Started, warm, and removed with all its files at the end."""
    place = Path(tempfile.mkdtemp(prefix="taskmapr-bench-"))
    place.chmod(0o711)
    stack = Stack(place)
    try:
        stack.start(server)
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(place, ignore_errors=True)
