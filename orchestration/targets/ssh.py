"""Hosts for commands: which one is meant, who may, and where a path on it leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from agents_cfg.services.secrets import secret_read
from orchestration.models import SshTarget
from orchestration.selectors.ssh import ssh_target_named
from orchestration.targets.ssh_paths import path_problem, plain_path, prefix_of
from orchestration.targets.ssh_peek import Allowed, quoted
from taskmapr.core.errors import CommandNotAllowed, HostNotAllowed
from taskmapr.core.ports import CommandSession, HostAccount

SshTool = Literal["ssh.exec", "ssh.exec.peek"]

#: Seconds for finding out where paths lead.
RESOLVE_S: Final = 10.0
_TYPE_BITS: Final = 0o170000
_FILE_AND_FOLDER: Final = (0o100000, 0o040000)


def target_permitted(
    alias: str, *, tool: SshTool, user_id: str, is_models_choice: bool
) -> SshTarget:
    """Raises HostNotAllowed. One text for hosts that are not there and those of others."""
    known = ssh_target_named(alias)
    if known is None or not known.is_for(user_id):
        raise HostNotAllowed(f"There is no host called {alias!r} for you.")
    target = known.row
    allows = target.allows_exec if tool == "ssh.exec" else target.allows_peek
    if not allows:
        raise HostNotAllowed(f"{tool} is not allowed on {alias}.")
    if is_models_choice and not target.agent_may_use:
        raise HostNotAllowed(f"No model may choose to use {alias}.")
    return target


def account_of(target: SshTarget) -> HostAccount:
    """Reads the secret: raises NotConfigured when there is none."""
    return HostAccount(
        alias=target.alias,
        address=target.address,
        port=target.port,
        user=target.user,
        private_key=secret_read(target.key_secret),
        host_keys=tuple(target.host_keys),
    )


async def paths_resolved(
    session: CommandSession, decision: Allowed, prefixes: Sequence[str]
) -> Allowed:
    """The command with the files that its paths lead to on the host, each judged again.

    A prefix may itself be a link that the host's owner made (`/etc/os-release` often is), so it is
    resolved as well. Raises CommandNotAllowed.
    """
    paths = list(dict.fromkeys(decision.paths))
    if not paths:
        return decision
    beginnings = [str(prefix_of(plain_path(path), prefixes)) for path in paths]
    lines = await _lines(session, ["readlink", "-f", *beginnings, *paths])
    if len(lines) != 2 * len(paths):
        raise _refused(f"{' '.join(paths)} cannot be found on the host")
    shown, leads_to = lines[: len(paths)], lines[len(paths) :]
    for path, prefix, real in zip(paths, shown, leads_to, strict=True):
        if prefix == "/" or path_problem(real, [prefix]):
            raise _refused(f"{path!r} leads to a place that the host does not show")
    await _ordinary(session, leads_to)
    return decision.with_paths(dict(zip(paths, leads_to, strict=True)))


async def _ordinary(session: CommandSession, paths: Sequence[str]) -> None:
    """Devices, pipes and sockets are not read; what is not there is the command's to tell."""
    for line in await _lines(session, ["stat", "-L", "-c", "%f", *paths]):
        if int(line, 16) & _TYPE_BITS not in _FILE_AND_FOLDER:
            raise _refused("a device, pipe or socket is not read")


async def _lines(session: CommandSession, argv: list[str]) -> list[str]:
    result = await session.run(quoted(argv), timeout_s=RESOLVE_S)
    if result.truncated:
        raise _refused("the host says too much about the paths")
    return result.stdout.splitlines()


def _refused(reason: str) -> CommandNotAllowed:
    return CommandNotAllowed(reason, details={"reason": reason})
