"""A real OpenSSH server on loopback, with keys of its own, for the present user."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowAgentForwarding no
LogLevel ERROR
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """`private_key` may sign in as `user`; `stranger_key` may not."""

    port: int
    user: str
    host_key: str
    private_key: str
    stranger_key: str
    #: An empty folder that commands may use.
    folder: Path


def new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def public(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    if _SSHD is None:
        pytest.skip("OpenSSH's server is not installed (Debian: openssh-server)")
    # Not pytest's folder: its path is long, and other users cannot enter it.
    with tempfile.TemporaryDirectory(prefix="sshd") as name:
        folder = Path(name)
        host, own = new_key(), new_key()
        host.write_private_key(folder / "host_key")
        (folder / "host_key").chmod(0o600)
        (folder / "authorized_keys").write_text(public(own) + "\n")
        (folder / "files").mkdir()
        port = _free_port()
        (folder / "config").write_text(_CONFIG.format(port=port, folder=folder))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        server = subprocess.Popen([_SSHD, "-D", "-e", "-f", str(folder / "config")])
        try:
            _wait_for(port, server)
            yield Sshd(
                port=port,
                user=getpass.getuser(),
                host_key=public(host),
                private_key=own.export_private_key().decode(),
                stranger_key=new_key().export_private_key().decode(),
                folder=folder / "files",
            )
        finally:
            server.terminate()
            server.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("sshd ended at once; its words are above")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("sshd does not answer")
