"""Where the embedded servers keep their files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import quote

from taskmapr.stack.children import Account
from taskmapr.stack.errors import StackFailed

#: A socket's path must fit into sockaddr_un (108 bytes with its end, 104 on macOS).
_SOCKET_PATH_MAX = 103
_LOG_BYTES_MAX = 10 * 1024 * 1024


def directory_make(path: Path, account: Account | None = None) -> Path:
    """The directory exists, belongs to account (else to us) and is closed to others (0700)."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            raise StackFailed(f"{path} is a symbolic link; a plain directory is needed there")
        path.chmod(0o700)
        if account is not None:
            os.chown(path, account.uid, account.gid)
    except OSError as error:
        raise StackFailed(f"{path} cannot be written: {error.strerror}") from error
    return path


def socket_directory(data_dir: Path) -> Path:
    """Where the servers of data_dir listen: inside it, or in the temporary directory when the
    path would be too long for a socket. The same data_dir always gives the same answer."""
    inside = data_dir / "run"
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= _SOCKET_PATH_MAX:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"taskmapr-{os.getuid()}-{digest}"


def postgres_url(data_dir: Path, database: str = "taskmapr") -> str:
    """Where the embedded PostgreSQL of data_dir listens when it runs."""
    return (
        f"postgresql://postgres@/{database}?host={quote(str(socket_directory(data_dir)), safe='')}"
    )


def redis_url(data_dir: Path, number: int = 0) -> str:
    """Where the embedded Redis of data_dir listens when it runs."""
    return f"unix://{socket_directory(data_dir) / 'redis.sock'}?db={number}"


def log_open(path: Path) -> IO[bytes]:
    """A file that appends to the log; a log past 10 MiB starts anew."""
    too_large = path.exists() and path.stat().st_size > _LOG_BYTES_MAX
    return path.open("wb" if too_large else "ab")


def log_tail(path: Path, lines: int = 3) -> str:
    """The last lines of a log as one line, for an error message."""
    if not path.exists():
        return ""
    return " | ".join(path.read_text(errors="replace").strip().splitlines()[-lines:])
