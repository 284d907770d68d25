"""Commands on a real OpenSSH server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from orchestration.adapters.ssh import KEPT, SshHosts
from taskmapr.core.errors import (
    HostKeyMismatch,
    NotConfigured,
    OutcomeUnknown,
    SshUnreachable,
    TimedOut,
)
from taskmapr.core.ports import CommandResult, HostAccount
from tests.sshd import Sshd, new_key, public

pytestmark = pytest.mark.req("IN-18")


@pytest.fixture
def account(sshd: Sshd) -> HostAccount:
    return HostAccount(
        alias="web1",
        address="127.0.0.1",
        port=sshd.port,
        user=sshd.user,
        private_key=sshd.private_key,
        host_keys=(sshd.host_key,),
    )


async def _run(account: HostAccount, command: str, timeout_s: float = 30.0) -> CommandResult:
    async with SshHosts().connect(account) as session:
        return await session.run(command, timeout_s=timeout_s)


async def test_a_command_tells_its_outputs_and_its_code(account: HostAccount) -> None:
    result = await _run(account, "echo out; echo err >&2; exit 7")

    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 7)
    assert result.truncated is False
    assert result.duration_ms >= 0


async def test_a_session_runs_one_command_after_another(account: HostAccount) -> None:
    async with SshHosts().connect(account) as session:
        codes = [(await session.run(f"exit {n}", timeout_s=30)).exit_code for n in (0, 1)]

    assert codes == [0, 1]


async def test_there_is_no_terminal_and_nothing_to_read(account: HostAccount) -> None:
    result = await _run(account, "test -t 0 || test -t 1 || echo none; cat; env")

    assert result.stdout.startswith("none\n")
    assert "SSH_AUTH_SOCK" not in result.stdout


async def test_another_key_of_the_account_is_refused(account: HostAccount, sshd: Sshd) -> None:
    with pytest.raises(SshUnreachable, match="refused the key"):
        await _run(replace(account, private_key=sshd.stranger_key), "true")


async def test_another_key_of_the_host_is_a_mismatch_and_nothing_runs(
    account: HostAccount, sshd: Sshd
) -> None:
    mark = sshd.folder / "mismatch"

    with pytest.raises(HostKeyMismatch):
        await _run(replace(account, host_keys=(public(new_key()),)), f"touch {mark}")

    assert not mark.exists()


async def test_a_host_without_a_key_of_the_pinned_type_is_a_mismatch(account: HostAccount) -> None:
    other = public(asyncssh.generate_private_key("ecdsa-sha2-nistp256"))

    with pytest.raises(HostKeyMismatch):
        await _run(replace(account, host_keys=(other,)), "true")


@pytest.mark.parametrize("broken", ["private_key", "host_keys"])
async def test_keys_that_are_none_are_told_before_anything_is_contacted(
    account: HostAccount, broken: str
) -> None:
    value: str | tuple[str, ...] = "nonsense" if broken == "private_key" else ("ssh-ed25519 AAAA",)

    with pytest.raises(NotConfigured) as raised:
        await _run(replace(account, port=1, **{broken: value}), "true")  # type: ignore[arg-type]

    assert "nonsense" not in raised.value.detail


async def test_a_host_without_pinned_keys_is_not_contacted(account: HostAccount) -> None:
    with pytest.raises(NotConfigured):
        await _run(replace(account, port=1, host_keys=()), "true")


async def test_a_port_where_nobody_listens_is_unreachable(account: HostAccount) -> None:
    with pytest.raises(SshUnreachable):
        await _run(replace(account, port=1), "true")


async def test_a_command_that_takes_too_long_is_ended_on_the_host(
    account: HostAccount, sshd: Sshd
) -> None:
    mark = sshd.folder / "slow"
    began = time.monotonic()

    with pytest.raises(TimedOut):
        await _run(account, f"echo $$ > {mark}; sleep 600; true", timeout_s=1)

    assert time.monotonic() - began < 30
    await _is_gone(int(mark.read_text()))


async def test_a_command_that_ignores_the_first_signal_is_killed_with_its_children(
    account: HostAccount, sshd: Sshd
) -> None:
    mark = sshd.folder / "deaf"
    deaf = f"trap '' TERM; (echo $$ > {mark}; while :; do sleep 0.1; done); true"

    with pytest.raises(TimedOut):
        await _run(account, deaf, timeout_s=1)

    await _is_gone(int(mark.read_text()))


async def test_a_caller_that_gives_up_ends_the_command(account: HostAccount, sshd: Sshd) -> None:
    mark = sshd.folder / "cancelled"
    task = asyncio.create_task(_run(account, f"echo $$ > {mark}; sleep 600; true"))
    await _until(lambda: mark.exists() and mark.read_text().strip() != "")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await _is_gone(int(mark.read_text()))


async def test_long_outputs_are_cut_and_the_command_still_ends(account: HostAccount) -> None:
    result = await _run(
        account, "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero >&2; exit 3"
    )

    assert result.stdout == "x" * KEPT
    assert len(result.stderr) == KEPT
    assert "\0" not in result.stderr
    assert (result.truncated, result.exit_code) == (True, 3)


async def test_a_command_that_never_stops_talking_is_ended(account: HostAccount) -> None:
    result = await _run(account, "head -c 40000000 /dev/zero || true; yes", timeout_s=60)

    assert result.truncated
    assert result.exit_code != 0


async def test_a_connection_that_breaks_leaves_the_outcome_open(account: HostAccount) -> None:
    with pytest.raises(OutcomeUnknown):
        await _run(account, "kill -9 $PPID; sleep 600")


async def test_the_key_that_a_host_shows_is_told_without_signing_in(sshd: Sshd) -> None:
    assert await SshHosts().presented_key("127.0.0.1", sshd.port) == sshd.host_key

    with pytest.raises(SshUnreachable):
        await SshHosts().presented_key("127.0.0.1", 1)


async def _is_gone(pid: int) -> None:
    await _until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def _until(is_so: object) -> None:
    assert callable(is_so)
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.05)
