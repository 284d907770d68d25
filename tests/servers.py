"""The servers that tests run against: real PostgreSQL and Redis, one pair per test run.

The process that starts the run owns them (with xdist, the controller); xdist's workers find them
through the environment. Nothing starts before a test needs it, and nothing outlives the run.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskmapr.stack.postgres import EmbeddedPostgres
from taskmapr.stack.redis import EmbeddedRedis

ROOT = Path(__file__).resolve().parents[1]
_PLACE_VARIABLE = "TASKMAPR_TEST_SERVERS"
_PREFIX = "taskmapr-tests-"


class Servers:
    """The pair of one run, in a temporary directory."""

    def __init__(self, place: Path, *, owner: bool) -> None:
        self.place = place
        self.postgres = EmbeddedPostgres(place, durable=False)
        self.redis = EmbeddedRedis(place, durable=False)
        self._owner = owner

    @classmethod
    def of_this_run(cls) -> Servers:
        """A new place for the process that starts the run, its place for a worker of xdist."""
        inherited = os.environ.get(_PLACE_VARIABLE)
        if inherited and "PYTEST_XDIST_WORKER" in os.environ:
            return cls(Path(inherited), owner=False)
        _leftovers_remove()
        place = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        place.chmod(0o711)
        os.environ[_PLACE_VARIABLE] = str(place)
        servers = cls(place, owner=True)
        atexit.register(servers.stop)
        return servers

    def postgres_start(self) -> None:
        if self._owner and self.postgres.process is None:
            self.postgres.start()

    def redis_start(self) -> None:
        if self._owner and self.redis.process is None:
            self.redis.start()

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process of this run is inside."""
        with (self.place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def schema_hash() -> str:
    """Changes whenever a migration file or a locked requirement does."""
    digest = hashlib.sha256((ROOT / "requirements" / "base.txt").read_bytes())
    for file in sorted(ROOT.glob("*/**/migrations/*.py")):
        if ".venv" not in file.parts:
            digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _leftovers_remove() -> None:
    """Directories of runs that were killed. Their servers died with them."""
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        found = re.match(rf"{_PREFIX}(\d+)-", place.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(place, ignore_errors=True)
