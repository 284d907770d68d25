"""The tools that run commands on hosts: one that only reads, and one that needs a confirmation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from orchestration.models import SshDecision
from orchestration.models.ssh import PATH_PREFIXES
from orchestration.selectors.ssh import deny_patterns, ssh_target_named
from orchestration.services.ssh_audit import SshCall, ssh_call_note, ssh_call_settle
from orchestration.targets.ssh import SshTool, account_of, paths_resolved, target_permitted
from orchestration.targets.ssh_deny import deny_reasons
from orchestration.targets.ssh_masking import masked
from orchestration.targets.ssh_peek import Allowed, Refused, peek_decision
from taskmapr.core import wired
from taskmapr.core.errors import (
    CommandDenied,
    CommandNotAllowed,
    DatabaseUnavailable,
    HostNotAllowed,
    OutcomeUnknown,
    SshUnreachable,
    TaskMaprError,
    TimedOut,
)
from taskmapr.core.ports import CommandResult, CommandSession, HostAccount
from taskmapr.core.tools import ToolContext, ToolRegistry, ToolSpec, registry
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import database_is_away
from taskmapr.foundation.http.breakers import circuit

EXEC: Final[SshTool] = "ssh.exec"
PEEK: Final[SshTool] = "ssh.exec.peek"
NOTE: Final = "Set confirm_dangerous=true"
#: Beyond a command's own time: connecting, resolving paths, ending what is late.
_BESIDE_S: Final = 40.0

Answer = dict[str, Any]
Performs = Callable[[CommandSession], Awaitable[CommandResult]]


@dataclass(frozen=True, slots=True)
class _Going:
    """A call that was allowed and is in the audit."""

    audit_id: int
    account: HostAccount
    decision: Allowed | None = None
    prefixes: tuple[str, ...] = ()


# ssh.exec ----------------------------------------------------------------------------------------


async def _exec(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    _need_database()
    if args.get("confirm_dangerous") is not True or args.get("dry_run"):
        return await in_database(_dry_run, ctx, args)
    going = await in_database(_exec_begin, ctx, args)
    timeout_s = float(args.get("timeout_s") or 30)

    async def performs(session: CommandSession) -> CommandResult:
        return await session.run(args["command"], timeout_s=timeout_s)

    return _told(args, await _performed(going, timeout_s, performs))


def _dry_run(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    """Contacts nothing, whatever the host is."""
    command = args["command"]
    reasons = deny_reasons(command, deny_patterns())
    ssh_call_note(_call(ctx, EXEC, args), SshDecision.DRY_RUN, reasons)
    return {
        "dry_run": True,
        "note": NOTE,
        "host": args["host"],
        "command": command,
        "read_only": isinstance(peek_decision(command, _prefixes(args["host"])), Allowed),
        "denied": bool(reasons),
        "reasons": reasons,
    }


def _exec_begin(ctx: ToolContext, args: dict[str, Any]) -> _Going:
    """Raises CommandDenied, HostNotAllowed and NotConfigured; each is in the audit then."""
    call = _call(ctx, EXEC, args)
    try:
        if reasons := deny_reasons(args["command"], deny_patterns()):
            raise _denied(reasons)
        target = _target(ctx, EXEC, args)
        account = account_of(target)
    except TaskMaprError as error:
        _note_refusal(call, error)
        raise
    return _Going(ssh_call_note(call, SshDecision.ALLOWED), account)


def _denied(reasons: list[str]) -> CommandDenied:
    told = f"The command is never carried out: {'; '.join(reasons)}."
    return CommandDenied(told, details={"reasons": reasons})


# ssh.exec.peek -----------------------------------------------------------------------------------


async def _peek(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    _need_database()
    going = await in_database(_peek_begin, ctx, args)
    timeout_s = float(args.get("timeout_s") or 10)

    async def performs(session: CommandSession) -> CommandResult:
        assert going.decision is not None  # noqa: S101 - peeks are judged before
        try:
            resolved = await paths_resolved(session, going.decision, going.prefixes)
            return await session.run(resolved.quoted, timeout_s=timeout_s)
        except OutcomeUnknown as error:
            # Reading left nothing behind, so nothing is in doubt.
            raise SshUnreachable(f"The connection to {args['host']} broke.") from error

    return _told(args, await _performed(going, timeout_s, performs))


def _peek_begin(ctx: ToolContext, args: dict[str, Any]) -> _Going:
    """Raises CommandNotAllowed, HostNotAllowed and NotConfigured; each is in the audit then."""
    call = _call(ctx, PEEK, args)
    prefixes = _prefixes(args["host"])
    decision = peek_decision(args["command"], prefixes)
    try:
        if isinstance(decision, Refused):
            raise _not_allowed(decision)
        account = account_of(_target(ctx, PEEK, args))
    except TaskMaprError as error:
        _note_refusal(call, error)
        raise
    return _Going(ssh_call_note(call, SshDecision.ALLOWED), account, decision, prefixes)


def _not_allowed(refused: Refused) -> CommandNotAllowed:
    details = {"reason": refused.reason, "rule": refused.rule}
    return CommandNotAllowed(f"The command is not allowed: {refused.reason}.", details=details)


# Both --------------------------------------------------------------------------------------------


def _need_database() -> None:
    if database_is_away():
        raise DatabaseUnavailable("Commands cannot be judged and noted now: the database is down.")


def _call(ctx: ToolContext, tool: SshTool, args: dict[str, Any]) -> SshCall:
    return SshCall(
        user_id=ctx.user_id,
        run_id=ctx.run_id,
        is_models_choice=ctx.is_models_choice,
        tool=tool,
        target=args["host"],
        command=args["command"],
    )


def _target(ctx: ToolContext, tool: SshTool, args: dict[str, Any]) -> Any:
    target = target_permitted(
        args["host"], tool=tool, user_id=ctx.user_id, is_models_choice=ctx.is_models_choice
    )
    if args.get("user", target.user) != target.user:
        raise HostNotAllowed(f"Commands on {target.alias} run as {target.user} only.")
    return target


def _prefixes(alias: str) -> tuple[str, ...]:
    known = ssh_target_named(alias)
    return tuple(PATH_PREFIXES if known is None else known.row.path_prefixes)


def _note_refusal(call: SshCall, error: TaskMaprError) -> None:
    reasons = error.details.get("reasons") or [error.details.get("reason") or error.detail]
    ssh_call_note(call, SshDecision.REFUSED, reasons, error.code)


async def _performed(going: _Going, timeout_s: float, performs: Performs) -> CommandResult:
    hosts = wired.ports().command_hosts()
    service = f"ssh:{going.account.alias}"
    async with _audited(going) as settled:
        async with (
            circuit(service, within_s=timeout_s + _BESIDE_S, counts=_is_down),
            hosts.connect(going.account) as session,
        ):
            result = await performs(session)
        settled.exit_code = result.exit_code
        return result


def _is_down(error: BaseException) -> bool:
    """A wrong key is no outage: a breaker would hide it behind another error."""
    return isinstance(error, SshUnreachable | OutcomeUnknown)


@dataclass(slots=True)
class _Settled:
    exit_code: int | None = None


@asynccontextmanager
async def _audited(going: _Going) -> AsyncIterator[_Settled]:
    begun = time.monotonic()
    settled = _Settled()
    error_code = refused_because = ""
    try:
        yield settled
    except TaskMaprError as error:
        error_code = error.code
        if isinstance(error, CommandNotAllowed):
            refused_because = error.details["reason"]
        raise
    except asyncio.CancelledError:
        error_code = TimedOut.code
        raise
    finally:
        await in_database(
            partial(
                ssh_call_settle,
                going.audit_id,
                duration_ms=round((time.monotonic() - begun) * 1000),
                exit_code=settled.exit_code,
                error_code=error_code,
                refused_because=refused_because,
            )
        )


def _told(args: dict[str, Any], result: CommandResult) -> Answer:
    return {
        "host": args["host"],
        "command": args["command"],
        "exit_code": result.exit_code,
        "stdout": masked(result.stdout),
        "stderr": masked(result.stderr),
        "truncated": result.truncated,
        "duration_ms": result.duration_ms,
    }


# The registry ------------------------------------------------------------------------------------


def register(into: ToolRegistry | None = None) -> list[ToolSpec]:
    """Put both tools into a registry (the process's one when none is given)."""
    found = into or registry
    return [
        found.add(
            ToolSpec(
                name=EXEC,
                summary="Run a command on a registered host; without a confirmation, tell what"
                " would be run.",
                input_schema=_EXEC,
                handler=_exec,
                danger="dangerous",
                has_effect=True,
                timeout_s=120 + _BESIDE_S,
            )
        ),
        found.add(
            ToolSpec(
                name=PEEK,
                summary="Look at a registered host with a command that only reads.",
                input_schema=_PEEK,
                handler=_peek,
                volatile=True,
                is_idempotent=True,
                timeout_s=30 + _BESIDE_S,
            )
        ),
    ]


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "host": {
                "type": "string",
                "minLength": 1,
                "maxLength": 100,
                "description": "alias of a host that operators registered",
            },
            "command": {"type": "string", "minLength": 1, "maxLength": 4096},
            **properties,
        },
        "required": ["host", "command"],
        "additionalProperties": False,
    }


def _seconds(most: int, usual: int) -> dict[str, Any]:
    told = f"seconds until the command is ended, default {usual}"
    return {"type": "number", "minimum": 1, "maximum": most, "description": told}


_EXEC: Final = _object(
    user={"type": "string", "maxLength": 32, "description": "must be the host's own account"},
    timeout_s=_seconds(120, 30),
    confirm_dangerous={"type": "boolean", "description": "true: really run it"},
    dry_run={"type": "boolean", "description": "true: contact nothing, tell what would be run"},
)
_PEEK: Final = _object(timeout_s=_seconds(30, 10))
