"""Commands on hosts, by asyncssh.

Only the pinned keys of a host are accepted and only the account's own key signs in: no known_hosts
file, no agent, no configuration file, no password, no forwarding, no terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncssh

from taskmapr.core.errors import (
    HostKeyMismatch,
    NotConfigured,
    OutcomeUnknown,
    SshUnreachable,
    TimedOut,
)
from taskmapr.core.ports import CommandResult, HostAccount

CONNECT_S: Final = 10.0
#: Bytes of each output that are kept, and that are read before the process is ended.
KEPT: Final = 64 * 1024
READ: Final = 16 * 1024 * 1024
#: Seconds between the two signals that end a process, and after the second.
_GRACE_S: Final = 2.0
#: OpenSSH sends no signals to processes of root, and other servers to none: then a second session
#: kills the group of every other session that the same connection has, and there is only one.
_KILL_ALL: Final = (
    "ps -A -o ppid= -o pid= | while read up one; do"
    ' [ "$up" = "$PPID" ] && [ "$one" != "$$" ] && kill -9 -- "-$one"; done'
)
#: SHA-1 is left out.
_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_PIECE: Final = 32 * 1024


class SshHosts:
    """See CommandHosts."""

    @asynccontextmanager
    async def connect(self, host: HostAccount) -> AsyncIterator[SshSession]:
        options = _options(host)
        with _reaching(host.alias):
            async with asyncio.timeout(CONNECT_S):
                connection = await asyncssh.connect(host.address, host.port, **options)
        try:
            yield SshSession(connection, host.alias)
        finally:
            connection.abort()

    async def presented_key(self, address: str, port: int) -> str:
        with _reaching(address):
            async with asyncio.timeout(CONNECT_S):
                key = await asyncssh.get_server_host_key(address, port, config=None)
        if key is None:
            raise SshUnreachable(f"{address} shows no key.")
        return " ".join(key.export_public_key().decode().split()[:2])


class SshSession:
    """See CommandSession."""

    def __init__(self, connection: asyncssh.SSHClientConnection, alias: str) -> None:
        self._connection = connection
        self._alias = alias

    async def run(self, command: str, *, timeout_s: float) -> CommandResult:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                process = await self._started(command)
        except TimeoutError:
            raise self._late(timeout_s) from None
        outputs = _Output(), _Output()
        finished = asyncio.ensure_future(self._finished(process, *outputs))
        try:
            await asyncio.wait({finished}, timeout=timeout_s - (time.monotonic() - begun))
            if not finished.done():
                raise self._late(timeout_s)
            return self._result(process, finished, outputs, begun)
        finally:
            await self._end(process, finished)

    async def _started(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        try:
            return await self._connection.create_process(
                command, stdin=asyncssh.DEVNULL, encoding=None
            )
        except (asyncssh.Error, OSError) as error:
            raise OutcomeUnknown(_lost(self._alias)) from error

    def _result(
        self,
        process: asyncssh.SSHClientProcess[bytes],
        finished: asyncio.Future[None],
        outputs: tuple[_Output, _Output],
        begun: float,
    ) -> CommandResult:
        error = finished.exception()
        code = process.returncode
        if error is not None or code is None:
            raise OutcomeUnknown(_lost(self._alias)) from error
        stdout, stderr = outputs
        return CommandResult(
            exit_code=code,
            stdout=stdout.text(),
            stderr=stderr.text(),
            truncated=stdout.is_cut or stderr.is_cut,
            duration_ms=round((time.monotonic() - begun) * 1000),
        )

    async def _finished(self, process: asyncssh.SSHClientProcess[bytes], *outputs: _Output) -> None:
        """Reads on after what is kept: a process whose output nobody takes would never end."""
        readers = process.stdout, process.stderr
        await asyncio.gather(*map(self._drain, [process] * 2, readers, outputs))
        await process.wait_closed()

    async def _drain(
        self, process: asyncssh.SSHClientProcess[bytes], reader: Any, output: _Output
    ) -> None:
        is_ended = False
        while piece := await reader.read(_PIECE):
            output.add(piece)
            if output.size > READ and not is_ended:
                is_ended = True
                _signal(process, "KILL")
                await self._kill_all()

    async def _end(
        self, process: asyncssh.SSHClientProcess[bytes], finished: asyncio.Future[None]
    ) -> None:
        """Nothing of the command goes on. Takes at most a few seconds, also when cancelled."""
        if not finished.done():
            _signal(process, "TERM")
            await asyncio.wait({finished}, timeout=_GRACE_S)
        if not finished.done():
            _signal(process, "KILL")
            await self._kill_all()
            await asyncio.wait({finished}, timeout=_GRACE_S)
        finished.cancel()
        with contextlib.suppress(asyncio.CancelledError, asyncssh.Error, OSError):
            await finished
        process.close()

    async def _kill_all(self) -> None:
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(_GRACE_S):
                await self._connection.run(_KILL_ALL, stdin=asyncssh.DEVNULL)

    def _late(self, timeout_s: float) -> TimedOut:
        return TimedOut(f"The command on {self._alias} took longer than {timeout_s:g} s.")


class _Output:
    """The first KEPT bytes of a stream."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._kept += piece[: KEPT - len(self._kept)]

    @property
    def is_cut(self) -> bool:
        return self.size > KEPT

    def text(self) -> str:
        """PostgreSQL keeps no NUL; what is no UTF-8 is replaced."""
        return self._kept.decode("utf-8", "replace").replace("\0", "\ufffd")


def _signal(process: asyncssh.SSHClientProcess[bytes], name: str) -> None:
    # A channel that is closed already takes no signal.
    with contextlib.suppress(OSError):
        process.send_signal(name)


def _lost(alias: str) -> str:
    return f"The connection to {alias} broke, and nobody knows how the command ended."


def _options(host: HostAccount) -> dict[str, Any]:
    try:
        key = asyncssh.import_private_key(host.private_key)
        pinned = [asyncssh.import_public_key(one) for one in host.host_keys]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise NotConfigured(f"A key of {host.alias} cannot be read.") from error
    if not pinned:
        raise NotConfigured(f"Nobody has pinned a key of {host.alias}.")
    return {
        "username": host.user,
        "client_keys": [key],
        "known_hosts": (pinned, [], []),
        "server_host_key_algs": _algorithms(pinned),
        "preferred_auth": ["publickey"],
        "config": None,
        "agent_path": None,
        "agent_forwarding": False,
        "gss_host": None,
        "x509_trusted_certs": None,
        "disable_trivial_auth": True,
        "connect_timeout": CONNECT_S,
        "login_timeout": CONNECT_S,
        "keepalive_interval": 10,
        "keepalive_count_max": 3,
    }


def _algorithms(pinned: Sequence[asyncssh.SSHKey]) -> list[str]:
    """Those of pinned keys first. A host that has none of them shows another key, which says more
    than a connection that breaks."""
    first = [name.decode() for key in pinned for name in key.sig_algorithms]
    return list(dict.fromkeys(name for name in [*first, *_ALGORITHMS] if name in _ALGORITHMS))


@contextmanager
def _reaching(alias: str) -> Iterator[None]:
    """Errors of a connection that does not stand yet, as ours and without what the host said."""
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostKeyMismatch(f"{alias} presented a key that is not pinned.") from error
    except asyncssh.PermissionDenied as error:
        raise SshUnreachable(f"{alias} refused the key of the account.") from error
    except TimeoutError as error:
        raise SshUnreachable(f"{alias} did not answer within {CONNECT_S:g} s.") from error
    except (asyncssh.Error, OSError) as error:
        raise SshUnreachable(f"{alias} cannot be reached.") from error
