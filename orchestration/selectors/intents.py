"""What intents this server offers to whom, and which mode carries one out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from agents_cfg.selectors.fresh import fresh
from orchestration.intents.modes import AskedMode, Chosen, Offer, Rule, mode_choose, modes_of
from orchestration.intents.names import ASK
from orchestration.models import ModeRule
from orchestration.tools.offered import tools_enabled
from taskmapr.core.tools import ToolContext, ToolSpec, is_named
from taskmapr.users.credentials import Credential
from taskmapr.users.models import User

_RULES: Final = "mode_rules"
#: Tools that do something to a page; an intent has none.
_OF_PAGES: Final = "ui"

ASK_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 32_000},
        "tools": {
            "type": "array",
            "items": {"type": "string", "maxLength": 180},
            "maxItems": 100,
            "description": "names or patterns such as memory.*; default: every tool that reads",
        },
        "model": {"type": "string", "maxLength": 200},
    },
    "required": ["prompt"],
    "additionalProperties": False,
}


async def _engine_only(ctx: ToolContext, args: dict[str, Any]) -> Any:
    raise NotImplementedError("agent.ask is a loop of the intents' engine")


#: How long a model and its tools may take in all, before the job is given up.
ASK_TIMEOUT_S: Final = 300.0
_ASK_SPEC: Final = ToolSpec(
    name=ASK,
    summary="Answer a prompt with a model that may call tools.",
    input_schema=ASK_SCHEMA,
    handler=_engine_only,
    timeout_s=ASK_TIMEOUT_S,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, with what. `ref`: whose allowance it is."""

    user: User
    #: Patterns of intents; None: all.
    patterns: tuple[str, ...] | None = None
    ref: str = ""

    @classmethod
    def of(cls, user: User, credential: Credential) -> Caller:
        return cls(user=user, patterns=credential.intents, ref=credential.ref)

    @property
    def user_id(self) -> str:
        return str(self.user.pk)

    def permits(self, name: str, permission: str = "") -> bool:
        """Whether the credential is for such intents, and the user has the tool's permission."""
        if self.patterns is not None and not is_named(name, self.patterns):
            return False
        return not permission or self.user.has_perm(permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentTool:
    """One line of GET /intents, and what a start needs to know of it."""

    name: str
    summary: str
    input_schema: Mapping[str, Any]
    source: str
    danger: str = "read"
    volatile: bool = False
    cost_usd_micros: int = 0
    cost_usd_micros_per_s: int = 0
    permission: str = ""


@dataclass(frozen=True, slots=True)
class _Tools:
    """By name, made anew only when somebody says something else of a tool."""

    made_of: tuple[object, object]
    agent: Mapping[str, ToolSpec]


_last: _Tools | None = None


def agent_tools() -> Mapping[str, ToolSpec]:
    """The tools that mode `agent` calls, by name. At most two seconds old."""
    global _last  # noqa: PLW0603 - one per process, like the tools that it is made of
    own, servers = tools_enabled()
    if _last is None or _last.made_of[0] is not own:
        found = {spec.name: spec for spec in own if spec.provider != _OF_PAGES}
        _last = _Tools((own, servers), found)
    return _last.agent


def rules_known() -> tuple[Rule, ...]:
    """The rules in force, at most two seconds old."""
    return fresh.get(_RULES, _rules)


def _rules() -> tuple[Rule, ...]:
    rows = ModeRule.objects.filter(is_enabled=True)
    return tuple(
        Rule(
            number=row.number,
            pattern=row.pattern,
            mode=row.mode,
            target=row.target,
            user_id=str(row.user_id or ""),
            per_minute=row.per_minute,
        )
        for row in rows
    )


def offer_for(caller: Caller) -> Offer:
    """What this caller can be offered. Asks the database at most once in two seconds."""
    tools = agent_tools()
    return Offer(
        agent=lambda name: _agent(name, tools),
        mcp=lambda name: None,
        mapped=lambda name: None,
        names=_Names(caller),
        rules=rules_known(),
        permits=lambda name: caller.permits(name, _permission(name, tools)),
    )


class _Names:
    """The names of GET /intents, looked up only when somebody has to be told of them."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __iter__(self) -> Iterator[str]:
        return (line.name for line in intents_for(self._caller))


def _agent(name: str, tools: Mapping[str, ToolSpec]) -> str | None:
    if name == ASK:
        return "the assistant with tools"
    return f"tool {name}" if name in tools else None


def _permission(name: str, tools: Mapping[str, ToolSpec]) -> str:
    spec = tools.get(name)
    return spec.permission if spec is not None else ""


def intent_choose(intent: str, mode: AskedMode, caller: Caller) -> Chosen:
    """See `mode_choose`."""
    return mode_choose(intent, mode, user_id=caller.user_id, offer=offer_for(caller))


def intent_spec(chosen: Chosen) -> ToolSpec:
    """What carries it out, as far as its arguments, its time and its care are concerned."""
    if chosen.mode == "agent":
        return _ASK_SPEC if chosen.target == ASK else agent_tools()[chosen.target]
    raise LookupError(chosen.mode)


def intents_for(caller: Caller) -> list[IntentTool]:
    """Everything that this caller may run, by name."""
    found = {line.name: line for line in _offered()}
    return [found[name] for name in sorted(found) if caller.permits(name, found[name].permission)]


def intent_modes(line: IntentTool, caller: Caller, offer: Offer) -> list[str]:
    """The mode that `auto` takes, then the others."""
    modes = modes_of(line.name, user_id=caller.user_id, offer=offer)
    first = mode_choose(line.name, "auto", user_id=caller.user_id, offer=offer).mode
    return [first, *(mode for mode in modes if mode != first)]


def _offered() -> Iterator[IntentTool]:
    for spec in agent_tools().values():
        yield _line(spec, "tool")
    yield _line(_ASK_SPEC, "model")


def _line(spec: ToolSpec, source: str) -> IntentTool:
    return IntentTool(
        name=spec.name,
        summary=spec.summary,
        input_schema=spec.input_schema,
        source=source,
        danger=spec.danger,
        volatile=spec.volatile,
        cost_usd_micros=spec.cost_usd_micros,
        cost_usd_micros_per_s=spec.cost_usd_micros_per_s,
        permission=spec.permission,
    )


def user_of_id(user_id: str) -> User | None:
    """An account by its id; None for what is no id, and for closed accounts."""
    try:
        wanted = UUID(user_id)
    except ValueError:
        return None
    return User.objects.filter(pk=wanted, is_active=True).first()
