"""`manage.py up` from its first check to its last goodbye."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from django.conf import settings

from agents_cfg.selectors.profiles import model_is_stand_in
from taskmapr.foundation.telemetry.metrics import metrics_clean
from taskmapr.stack.conditions import require_data_dir, require_named_user, require_port
from taskmapr.stack.preparation import FirstAdmin, database_prepare, redis_require
from taskmapr.stack.programs import (
    beat_program,
    task_worker_programs,
    web_ports,
    web_programs,
    worker_programs,
)
from taskmapr.stack.record import ProcessMark, StackRecord, lock_take
from taskmapr.stack.servers import server_children
from taskmapr.stack.supervisor import Child, Supervisor
from taskmapr.stack.terminal import Terminal
from taskmapr.wiring import local_models

_ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How many of which program."""

    web: int = 1
    workers: int = 1
    beat: bool = True


def stack_run(crew: Crew, terminal: Terminal) -> None:
    """Runs everything until a signal comes. Raises StackFailed when it cannot start."""
    begun = time.monotonic()
    data_dir = settings.DATA_DIR
    require_data_dir(data_dir)
    if settings.EMBEDDED_POSTGRES:
        require_named_user()
    with lock_take(data_dir):
        _leftovers_stop(terminal)
        for port in web_ports(crew.web):
            require_port(settings.HOST, port)
        metrics_clean()
        _Launch(crew, terminal, begun).run()


class _Launch:
    def __init__(self, crew: Crew, terminal: Terminal, begun: float) -> None:
        self._crew, self._terminal, self._begun = crew, terminal, begun
        self._supervisor = Supervisor(
            [server_children(), _programs(crew)], terminal=terminal, changed=self._record_write
        )
        self._record = StackRecord(ProcessMark.of(os.getpid()), _addresses(crew))

    def run(self) -> None:
        self._record_write()
        self._supervisor.signals_take()
        try:
            self._start()
            self._supervisor.run()
            self._terminal.line_of("up", "Stopping")
        finally:
            self._supervisor.stop()
            (settings.DATA_DIR / "stack.json").unlink(missing_ok=True)
        self._terminal.line_of("up", "Stopped")

    def _start(self) -> None:
        if names := [child.name for child in server_children()]:
            self._terminal.line_of("up", f"Starting {' and '.join(names)}")
        self._supervisor.wave_start(0)
        redis_require()
        admin = database_prepare(self._terminal)
        if self._supervisor.is_stopping:
            return
        self._terminal.line_of("up", "Starting web, worker and beat")
        self._supervisor.wave_start(1)
        threading.Thread(target=self._announce, args=(admin,), daemon=True).start()

    def _announce(self, admin: FirstAdmin | None) -> None:
        address = self._record.addresses[0]
        # Without a worker the service calls itself degraded, rightly.
        wanted = {"healthy"} if self._crew.workers else {"healthy", "degraded"}
        status = _health_wait(address, wanted)
        took = f"after {time.monotonic() - self._begun:.1f} s"
        if status in wanted:
            self._terminal.line_of("up", f"Ready {took}: {settings.PUBLIC_URL}/")
        else:
            state = f"is {status}" if status else "does not answer"
            self._terminal.line_of("up", f"{address} {state} {took}; see the lines above")
        self._terminal.line_of("up", f"Admin:   {settings.PUBLIC_URL}/admin/")
        if admin is not None:
            self._terminal.line_of("up", f"Sign in: {admin.email} with password {admin.password}")
            self._terminal.line_of("up", "         (shown this once; change it in the admin)")
        for line in model_hints():
            self._terminal.line_of("up", line)
        self._terminal.line_of("up", "Try it:  make demo    Stop: Ctrl-C")

    def _record_write(self) -> None:
        self._record.children = {
            child.name: ProcessMark.of(child.process.pid)
            for child in self._supervisor.children
            if child.process is not None
        }
        self._record.write(settings.DATA_DIR)


def model_hints() -> list[str]:
    """How to get answers of a real model, if none is configured; names what runs here already."""
    if not model_is_stand_in():
        return []
    hints = ["Model:   the built-in stand-in; set OPENAI_API_KEY in .env for a real one"]
    if models := local_models():
        hints.append(f"         or TASKMAPR_DEFAULT_MODEL=ollama/{models[0]} for Ollama, seen here")
    return hints


def _programs(crew: Crew) -> list[Child]:
    workers = [*worker_programs(crew.workers), *task_worker_programs()] if crew.workers else []
    beat = [beat_program()] if crew.beat else []
    return [*web_programs(crew.web), *workers, *beat]


def _addresses(crew: Crew) -> list[str]:
    """As a client on this machine reaches them."""
    host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::", ""} else settings.HOST  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return [f"http://{host}:{port}" for port in web_ports(crew.web)]


def _leftovers_stop(terminal: Terminal) -> None:
    if (record := StackRecord.read(settings.DATA_DIR)) and (names := record.leftovers_stop()):
        terminal.line_of("up", f"Stopped what an earlier start left running: {', '.join(names)}")


def _health_wait(address: str, wanted: set[str]) -> str | None:
    """The first wanted status of /health, else the last one; None when nothing answered."""
    deadline, status = time.monotonic() + _ANSWER_TIMEOUT_S, None
    while status not in wanted and time.monotonic() < deadline:
        status = _health(address) or status
        if status not in wanted:
            time.sleep(0.1)
    return status


def _health(address: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310 - ours
            return str(json.load(answer)["status"])
    except urllib.error.HTTPError:
        return "unhealthy"
    except OSError:
        return None
