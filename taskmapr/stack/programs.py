"""The command lines of web, worker and beat."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from django.conf import settings

from taskmapr.stack.supervisor import Program

_APPLICATION = "taskmapr.asgi:application"
#: Open streams get so long to end after SIGTERM (asgi.py ends them at once).
_GRACE_S = 8
#: Of one message on a socket; more than `HEARD_CHARACTERS` (orchestration/consumers/base.py) ever
#: take. A longer one ends its connection before it is in memory. Granian has no such option.
SOCKET_MESSAGE_BYTES: Final = 65_536
#: Threads of a worker: its loop carries the runs, a thread only hands one over.
_WORKER_THREADS = 8
#: The name of the worker for tasks with processes of their own.
TASK_WORKER: Final = "worker-tasks"


def web_programs(count: int) -> list[Program]:
    """The first at PORT, the others at the ports after it."""
    return [_web(number) for number in range(count)]


def web_ports(count: int) -> list[int]:
    return [settings.PORT + number for number in range(count)]


def worker_programs(count: int) -> list[Program]:
    return [_worker(number) for number in range(count)]


def task_worker_programs() -> list[Program]:
    """The worker for tasks with processes of their own; none where ordinary workers serve them."""
    queues = settings.TASK_WORKER_QUEUES
    return [_worker_program(TASK_WORKER, queues)] if queues else []


def beat_program() -> Program:
    return _program("beat", ["manage.py", "beat"], patience_s=5)


def server_command(server: str, host: str, port: int) -> list[str]:
    """How one web process is started. Access logs are off: addresses may carry tokens."""
    match server:
        case "granian":
            options = ["--interface", "asginl", "--loop", "uvloop", "--no-access-log"]
            options += ["--host", host, "--port", str(port), "--log-level", "warning"]
            return ["-m", "granian", *options, _APPLICATION]
        case "daphne":
            options = ["-v", "0", "--websocket-max-message-size", str(SOCKET_MESSAGE_BYTES)]
            return ["-m", "daphne", *options, "-b", host, "-p", str(port), _APPLICATION]
        case _:
            options = ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off"]
            options += ["--no-access-log", "--log-level", "warning", "--no-server-header"]
            # What proxies say is read by the settings that name them, the same for every server.
            options += ["--no-proxy-headers"]
            options += ["--timeout-graceful-shutdown", str(_GRACE_S)]
            options += ["--ws-max-size", str(SOCKET_MESSAGE_BYTES)]
            return ["-m", "uvicorn", *options, "--host", host, "--port", str(port), _APPLICATION]


def worker_command(name: str, queues: Sequence[str]) -> list[str]:
    """How one worker process is started; several on one machine need different names."""
    # Celery warns of root at length; `up` runs as root in containers and on fresh machines.
    command = ["-W", "ignore:You're running the worker", "-m", "celery", "--quiet"]
    command += ["-A", "taskmapr.celery", "worker", "-l", "WARNING"]
    command += ["-P", "threads", "-c", str(_WORKER_THREADS), "-n", f"{name}@%h"]
    command += ["-Q", ",".join(queues)]
    return [*command, "--without-mingle", "--without-gossip"]


def flower_command(host: str, port: int) -> list[str]:
    """Celery's own monitor. Passwords reach it by its environment: others read command lines."""
    command = ["-m", "celery", "--quiet", "-A", "taskmapr.celery", "flower"]
    return [*command, f"--address={host}", f"--port={port}"]


def become(command: Sequence[str]) -> NoReturn:
    """This process goes on as `python <command>`, so whoever started it stops the right one."""
    os.chdir(settings.BASE_DIR)
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 - a command of ours


def _web(number: int) -> Program:
    name = "web" if number == 0 else f"web{number + 1}"
    port = settings.PORT + number
    command = server_command(settings.ASGI_SERVER, settings.HOST, port)
    return _program(name, command, patience_s=_GRACE_S + 2)


def _worker(number: int) -> Program:
    name = "worker" if number == 0 else f"worker{number + 1}"
    return _worker_program(name, settings.WORKER_QUEUES)


def _worker_program(name: str, queues: Sequence[str]) -> Program:
    command = worker_command(name, queues)
    # Longer than a worker takes to let its runs end and to hand back what is left.
    return _program(name, command, patience_s=settings.TASKMAPR["drain_s"] + 30)


def _program(name: str, arguments: Sequence[str], *, patience_s: float) -> Program:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "taskmapr.settings",
        "PYTHONUNBUFFERED": "1",
        "TASKMAPR_SUPERVISED": "1",
    }
    root = Path(settings.BASE_DIR)
    return Program(name, [sys.executable, *arguments], env=env, cwd=root, patience_s=patience_s)
