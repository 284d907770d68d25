"""Child processes that never outlive their parent and never run as root when they must not."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# linux/prctl.h and linux/capability.h
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

# Loaded before any fork: a forked child must not import.
_LIBC = ctypes.CDLL(None, use_errno=True)
_ON_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user that servers run as when we are root (PostgreSQL refuses root)."""

    uid: int
    gid: int


def service_account() -> Account | None:
    """None for an ordinary user, who runs servers as himself."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(65534, 65534)
    return Account(nobody.pw_uid, nobody.pw_gid)


def is_reachable(path: Path) -> bool:
    """True when a user without privileges can enter every directory above and including path."""
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def spawn(
    command: Sequence[str | Path],
    *,
    stdout: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
    account: Account | None = None,
    keep_reach: bool = False,
    death_signal: signal.Signals = signal.SIGKILL,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own session that gets death_signal when the calling thread ends.

    Call from a thread that lives as long as the child should: Linux binds the signal to the
    thread. Elsewhere than on Linux there is no such signal; the next start finds what is left.
    keep_reach lets an account pass directories that are closed to it (a project under /root).
    """
    return subprocess.Popen(  # noqa: S603 - commands are our own
        [str(word) for word in command],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_preparation(os.getpid(), account, keep_reach, death_signal),  # noqa: PLW1509
    )


def die_with_parent() -> None:
    """This process is killed when its parent ends: for a server's own worker processes."""
    if _ON_LINUX:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _preparation(
    parent: int, account: Account | None, keep_reach: bool, death_signal: signal.Signals
) -> Callable[[], None]:
    def prepare() -> None:
        if account is not None:
            _become(account, keep_reach)
        # After the change of user, which clears it.
        if _ON_LINUX:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def _become(account: Account, keep_reach: bool) -> None:
    keep_reach = keep_reach and _ON_LINUX
    if keep_reach:
        _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    if keep_reach:
        _keep_only(_CAP_DAC_OVERRIDE)


def _keep_only(capability: int) -> None:
    """Drop every capability but one, which survives exec because it is ambient."""
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _LIBC.capset(ctypes.byref(header), ctypes.byref(sets)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def stop(process: subprocess.Popen[bytes], signum: signal.Signals, *, timeout_s: float) -> None:
    """The process is gone: asked by signum first, killed after timeout_s."""
    if process.poll() is None:
        process.send_signal(signum)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
