"""What must hold on this machine before anything is started. Each failure is one line."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import socket
from pathlib import Path

from taskmapr.stack.errors import StackFailed

_FREE_BYTES_MIN = 300 * 1024 * 1024


def require_data_dir(path: Path) -> None:
    """The directory exists, can be written and has room for the servers' files."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StackFailed(
            f"The data directory {path} cannot be written ({error.strerror}). "
            "Choose another one with TASKMAPR_DATA_DIR."
        ) from error
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES_MIN:
        raise StackFailed(
            f"Only {free // 2**20} MB are free at {path}; the embedded servers need "
            f"{_FREE_BYTES_MIN // 2**20} MB. Make room, or choose another TASKMAPR_DATA_DIR."
        )


def require_named_user() -> None:
    """PostgreSQL looks up the name of the user it runs as."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise StackFailed(
            f"User {os.geteuid()} has no entry in /etc/passwd, which the embedded PostgreSQL "
            "needs. Run as a named user, or set DATABASE_URL."
        ) from error


def require_port(host: str, port: int) -> None:
    """Nothing listens there, and we may."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackFailed(_port_trouble(host, port, error)) from error


def _port_trouble(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use. Stop the program that uses it, "
            f"or choose another port: PORT={port + 1} make up"
        )
    return f"{host}:{port} cannot be listened on ({error.strerror}). See HOST and PORT."
