"""A whole TaskMapr of a test's own: web, worker and beat processes, Redis, a database.

The processes run with production settings, short times and the scripted model server. What a test
does to them (kill, stop, restart) is theirs alone: the database is a copy, Redis is another server.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import orjson
import psycopg
import redis
from django.test import override_settings
from psycopg.rows import dict_row

from taskmapr.core.run_state import FINAL_STATUSES
from taskmapr.stack.programs import server_command, worker_command
from taskmapr.stack.redis import EmbeddedRedis
from taskmapr.users.tokens import access_token_make
from tests.e2e.cast import ADA, KEYS, Person, release_file
from tests.e2e.processes import ServiceProcess
from tests.e2e.sse import Stream
from tests.modelserver.process import ScriptedServer
from tests.modelserver.process import wait_until as wait_for
from tests.stack.up_process import free_port

#: Long enough for a process that starts while the machine is busy.
PATIENCE_S = 60.0

QUEUES = ("runs.overlay", "runs.sealed", "agent", "default", "long", "deliveries", "chores")
#: A lost worker is found within TTL + RECOVERY; the rest follows from these.
TIMES = {
    "TASKMAPR_LEASE_TTL_S": "3",
    "TASKMAPR_RECOVERY_EVERY_S": "1",
    "TASKMAPR_HEARTBEAT_SECONDS": "1",
    "TASKMAPR_DISCONNECT_GRACE_S": "3",
    # Longer than a worker that was killed takes to come back on a busy machine.
    "TASKMAPR_NO_WORKER_AFTER_S": str(PATIENCE_S),
    "TASKMAPR_DRAIN_S": "3",
    "TASKMAPR_RATE_LIMIT_PER_MINUTE": "0",
    "TASKMAPR_RATE_LIMIT_ADDRESS_PER_MINUTE": "0",
    "TASKMAPR_INTENTS_PER_MINUTE": "0",
    "TASKMAPR_INTENT_JOBS_AT_ONCE": "0",
    "TASKMAPR_DELIVERIES_EVERY_S": "0.5",
}

_LEASE_AND_GRACE = ("TASKMAPR_LEASE_TTL_S", "TASKMAPR_DISCONNECT_GRACE_S")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many of which process, and settings that differ from TIMES."""

    web: int = 1
    workers: int = 1
    beat: bool = True
    env: Mapping[str, str] = field(default_factory=dict)
    #: The next module may go on with it and with all that it stored.
    shared: bool = True


class Stack:
    """Made by the fixtures in conftest.py. `place` is its data directory."""

    def __init__(
        self, place: Path, database_url: str, models: ScriptedServer, shape: Shape
    ) -> None:
        self.place = place
        self.models = models
        #: Settings are the process's: threads of a test must not override them at once.
        self._signing = threading.Lock()
        self.database_url = database_url
        self.redis_server = EmbeddedRedis(place, durable=True)
        self._shape = shape
        self._logs = place / "logs"
        self._logs.mkdir(exist_ok=True)
        self._ports = [free_port() for _ in range(shape.web)]
        self.env = self._environment()
        self.web = [
            self._process(f"web{n}", server_command("uvicorn", "127.0.0.1", port))
            for n, port in enumerate(self._ports)
        ]
        self.workers = [
            self._process(f"worker{n}", worker_command(f"worker{n}", QUEUES))
            for n in range(shape.workers)
        ]
        self.beat = self._process("beat", ["manage.py", "beat"])

    # Its processes -------------------------------------------------------------------------------

    @property
    def processes(self) -> list[ServiceProcess]:
        return [*self.web, *self.workers, *([self.beat] if self._shape.beat else [])]

    def start(self) -> None:
        """Everything that does not run yet is started, side by side."""
        if self.redis_server.process is None:
            self.redis_server.start()
        wait_until(self._workers_live, timeout_s=PATIENCE_S)
        for n in range(len(self.web)):
            wait_until(lambda n=n: self._answers(n), timeout_s=PATIENCE_S)

    def revive(self) -> None:
        """Everything that does not run is begun, while the test waits for something else."""
        for process in self.processes:
            if not process.is_running:
                process.start()

    def end(self) -> None:
        for process in self.processes:
            process.end()
        self.redis_server.stop()

    def redis_restart(self, *, with_data: bool) -> None:
        self.redis_kill(with_data=with_data)
        self.redis_server.start()

    def redis_kill(self, *, with_data: bool = True) -> None:
        """As a crash: no farewell. Without its data it comes back empty."""
        process = self.redis_server.process
        assert process is not None
        process.kill()
        process.wait()
        if not with_data:
            shutil.rmtree(self.place / "redis")

    def _workers_live(self) -> bool:
        """Also starts what is missing: a process may be about to die of an earlier test."""
        self.revive()
        with self.redis() as client:
            alive = {int(name.split(b"-")[-2]) for name in client.scan_iter("tm:worker:*")}
        return alive >= {worker.pid for worker in self.workers}

    def logs(self) -> str:
        """What all processes wrote so far."""
        return "".join(
            log.read_text(errors="replace")
            for log in sorted(self._logs.glob("*.log"))
            if log.stem not in {"postgres", "redis"}
        )

    # What a client does --------------------------------------------------------------------------

    def ask(
        self,
        prompt: str,
        *,
        model: str = "echo",
        session: str | None = None,
        user: Person = ADA,
        web: int = 0,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Stream:
        """POST a prompt. `body` members go beside it; the answer is read as it comes."""
        given = {"prompt": prompt, "config": {"model": model}, "sessionId": session, **body}
        return self.post("/api/taskmapr/orchestrate", given, user=user, web=web, headers=headers)

    def post(
        self,
        path: str,
        body: Any,
        *,
        user: Person = ADA,
        web: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        sent = {**self.credentials(user), **(headers or {})}
        return Stream(self.address(web), "POST", path, headers=sent, body=body)

    def assign(self, task_type: str, params: dict[str, Any] | None = None, **more: Any) -> str:
        """A new task of Ada's. Returns its id. `more`: members of the order, and `headers`."""
        headers = more.pop("headers", None)
        body = {"task_type": task_type, "params": params or {}, **more}
        answer = self.post("/assign-task/", body, headers=headers)
        told = answer.json()
        assert answer.status == 200, told
        return str(told["task_id"])

    def assign_held(self, name: str, *, steps: int, held_after: int) -> str:
        """A task of so many steps that stands still after one of them until `let_go(name)`."""
        params = {"name": name, "steps": steps, "held_after": held_after}
        return self.assign("test.held_task", params)

    def let_go(self, name: str) -> None:
        """What waits by that name goes on, and is not held any more."""
        release_file(self.place, name).touch()

    def get(self, path: str, *, user: Person = ADA, web: int = 0, **headers: str) -> Stream:
        sent = {**self.credentials(user), **headers}
        return Stream(self.address(web), "GET", path, headers=sent)

    def resume(self, run_id: str, after: str | None, *, user: Person = ADA, web: int = 0) -> Stream:
        """Follow a run from its first frame, or from the frame after that id."""
        cursor = {} if after is None else {"Last-Event-ID": after}
        return self.get(f"/api/taskmapr/runs/{run_id}/stream", user=user, web=web, **cursor)

    def address(self, web: int = 0) -> str:
        return f"http://127.0.0.1:{self._ports[web]}"

    def credentials(self, user: Person = ADA) -> dict[str, str]:
        with self._signing, override_settings(JWT_SECRET=KEYS["JWT_SECRET"]):
            return {"Authorization": f"Bearer {access_token_make(user.id).text}"}

    # What a test looks at ------------------------------------------------------------------------

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def run(self, run_id: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM agent_runs WHERE id = %s", run_id)
        return row

    def events(self, run_id: str) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT seq, kind, data FROM agent_run_events WHERE run_id = %s ORDER BY seq", run_id
        )

    def kinds(self, run_id: str) -> list[str]:
        return [event["kind"] for event in self.events(run_id)]

    def wait_for_end(self, run_id: str, *, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        wait_until(lambda: self.run(run_id)["status"] in FINAL_STATUSES, timeout_s=timeout_s)
        return self.run(run_id)

    def wait_for_status(self, run_id: str, status: str, *, timeout_s: float = PATIENCE_S) -> None:
        wait_until(lambda: self.run(run_id)["status"] == status, timeout_s=timeout_s)

    def wait_past_grace(self, run_id: str) -> None:
        """Until a run that nobody reads would have been cancelled: its worker has looked after it
        for longer than that. Also returns when it does not run any more."""
        (asked,) = self.rows("SELECT clock_timestamp() AS at")
        seconds = sum(float(self.env[name]) for name in _LEASE_AND_GRACE) + 2
        renewed = asked["at"] + timedelta(seconds=seconds)

        def is_past() -> bool:
            run = self.run(run_id)
            return run["status"] != "running" or run["lease_expires_at"] > renewed

        wait_until(is_past, timeout_s=PATIENCE_S)

    def holder(self, run_id: str) -> ServiceProcess:
        """The worker that holds the run."""
        owner = self.run(run_id)["lease_owner"]
        pid = int(owner.rsplit("-", 2)[1])
        return next(worker for worker in self.workers if worker.pid == pid)

    def circuits_forget(self) -> None:
        """No service is left alone for what it did before."""
        with self.redis() as client:
            for key in client.scan_iter("taskmapr:circuit*"):
                client.delete(key)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_server.url, socket_timeout=5)

    # ---------------------------------------------------------------------------------------------

    def _process(self, name: str, arguments: list[str]) -> ServiceProcess:
        return ServiceProcess(name, arguments, env=self.env, logs=self._logs)

    def _environment(self) -> dict[str, str]:
        return {
            **environment(self.place, self.database_url, self.models),
            "REDIS_URL": self.redis_server.url,
            **TIMES,
            **self._shape.env,
        }

    def _answers(self, web: int) -> bool:
        with suppress(OSError):
            try:
                urlopen(Request(f"{self.address(web)}/health"), timeout=5).close()
            except HTTPError:
                return True
            return True
        return False


def environment(place: Path, database_url: str, models: ScriptedServer) -> dict[str, str]:
    """What each process of a stack is started with."""
    inherited = {n: os.environ[n] for n in ("PATH", "HOME", "LANG", "TMPDIR") if n in os.environ}
    return {
        **inherited,
        "ENV": "prod",
        "DJANGO_SETTINGS_MODULE": "taskmapr.settings",
        "PYTHONUNBUFFERED": "1",
        "TASKMAPR_DATA_DIR": str(place),
        "TASKMAPR_HTTPS_REDIRECT": "false",
        "TASKMAPR_TOOL_MODULES": "tests.e2e.tools",
        "TASKMAPR_DEFAULT_MODEL": "echo",
        "OPENAI_BASE_URL": models.base_url,
        "DATABASE_URL": database_url,
        "REDIS_URL": f"unix://{place}/none",
        **KEYS,
    }


def wait_until(is_so: Callable[[], bool], *, timeout_s: float = PATIENCE_S) -> float:
    """Seconds until `is_so`. Raises AssertionError when it does not become so in time."""
    return wait_for(is_so, timeout_s=timeout_s)


def health(stack: Stack, web: int = 0) -> tuple[int, dict[str, Any]]:
    answer = stack.get("/health", web=web)
    return answer.status, answer.json()


def place_make() -> Path:
    """Short, because sockets lie in it, and open to the servers' own user."""
    place = Path(tempfile.mkdtemp(prefix="taskmapr-e2e-"))
    place.chmod(0o711)
    return place


def as_json(value: Any) -> str:
    return orjson.dumps(value).decode()
