"""What intents this server offers to whom, and which mode carries one out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from agents_cfg.selectors.fresh import fresh
from agents_cfg.selectors.tools import tools_known
from orchestration.intents.modes import AskedMode, Chosen, Offer, Rule, mode_choose, modes_of
from orchestration.intents.names import ASK, MCP_SERVERS, MCP_TOOLS, TASK_PREFIX
from orchestration.models import ModeRule
from orchestration.selectors.task_types import task_types_for
from orchestration.targets.flows import (
    FlowTarget,
    flow_check,
    flow_default,
    flow_for,
    flow_intents,
    flow_mapped,
)
from orchestration.tools.mcp_intents import mcp_resolve
from orchestration.tools.offered import tools_enabled
from taskmapr.core import jobs
from taskmapr.core.errors import IntentForbidden, TaskMaprError, UnknownIntent
from taskmapr.core.task_types import TaskType
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
#: What MCP servers have is read anew each time.
_LISTS: Final = ToolSpec(
    name="mcp.lists",
    summary="What MCP servers have.",
    input_schema={"type": "object", "properties": {}},
    handler=_engine_only,
    volatile=True,
)
_ASK_SPEC: Final = ToolSpec(
    name=ASK,
    summary="Answer a prompt with a model that may call tools.",
    input_schema=ASK_SCHEMA,
    handler=_engine_only,
    timeout_s=ASK_TIMEOUT_S,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, with what."""

    user: User
    credential: Credential

    @property
    def patterns(self) -> tuple[str, ...] | None:
        """Of the intents that it may run; None: all."""
        return self.credential.intents

    @property
    def ref(self) -> str:
        return self.credential.ref

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
        agent=lambda name: _agent(name, tools, caller),
        mcp=partial(_mcp, caller=caller),
        mapped=_mapped,
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


def _agent(name: str, tools: Mapping[str, ToolSpec], caller: Caller) -> str | None:
    if name == ASK:
        return "a model with tools"
    if name.startswith(TASK_PREFIX) and _task_type(name, caller) is not None:
        return f"type of task {name.removeprefix(TASK_PREFIX)}"
    return f"tool {name}" if name in tools else None


def _mcp(name: str, caller: Caller) -> str | None:
    try:
        target = mcp_resolve(name, tools_known(), caller.permits)
    except UnknownIntent:
        # Like any other name that is not there: what is, is told as far as the caller may run it.
        return None
    return f"MCP {target.name}" if target is not None else None


def _mcp_clear(name: str, caller: Caller) -> str | None:
    """The same for lists: what MCP servers call alike must not hide everything else."""
    try:
        return _mcp(name, caller)
    except TaskMaprError:
        return None


def _mapped(name: str) -> str | None:
    flow = flow_mapped(name)
    return flow.source if flow is not None else None


def _task_type(name: str, caller: Caller) -> TaskType | None:
    wanted = name.removeprefix(TASK_PREFIX)
    return next((t for t in _task_types(caller) if t.name == wanted), None)


def _task_types(caller: Caller) -> list[TaskType]:
    """Without those whose steps are tasks: what an intent says is sealed, and they are not."""
    return [t for t in task_types_for(caller.credential) if t.enabled and not t.steps]


def _permission(name: str, tools: Mapping[str, ToolSpec]) -> str:
    spec = tools.get(name)
    return spec.permission if spec is not None else ""


def intent_choose(intent: str, mode: AskedMode, caller: Caller) -> Chosen:
    """See `mode_choose`."""
    return mode_choose(intent, mode, user_id=caller.user_id, offer=offer_for(caller))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What carries out an intent. `spec`: its arguments, its time and its care."""

    spec: ToolSpec
    #: A workflow as it was found, for the run to keep.
    flow: FlowTarget | None = None
    #: Empty: the queue of intents.
    queue: str = ""
    #: It is known to take long: nobody should wait for it.
    is_slow: bool = False


def intent_work(chosen: Chosen, caller: Caller) -> Work:
    """Raises NotConfigured when the workflow engine is not there, and for the target of a rule
    UnknownIntent when it is gone, and IntentForbidden when the caller may not use it."""
    if chosen.mode == "flow":
        return _flow_work(chosen)
    if chosen.mode == "mcp":
        target = mcp_resolve(chosen.target, tools_known())
        own = target.spec if target is not None else None
        return Work(spec=own or _LISTS)
    if chosen.target == ASK:
        return Work(spec=_ASK_SPEC)
    if (spec := agent_tools().get(chosen.target)) is not None:
        if spec.permission and not caller.user.has_perm(spec.permission):
            raise IntentForbidden(f"These credentials may not run '{chosen.intent}'.")
        return Work(spec=spec)
    if (found := _task_type(chosen.target, caller)) is not None:
        return _task_work(found)
    raise UnknownIntent(f"Nothing carries out '{chosen.target}' any more.")


def _flow_work(chosen: Chosen) -> Work:
    flow = flow_for(chosen.target) or flow_default(chosen.target)
    flow_check(flow)
    spec = _carrier("flow.call", flow.description, flow.input_schema, flow.timeout_s)
    return Work(spec=spec, flow=flow, is_slow=not flow.is_synchronous)


def _task_work(found: TaskType) -> Work:
    spec = _carrier("task.run", found.description, found.params_schema, found.timeout_s)
    is_apart = found.queue in (jobs.QUEUE_BROWSER, jobs.QUEUE_LONG)
    return Work(spec=spec, queue=found.queue if is_apart else "", is_slow=is_apart)


def _carrier(name: str, summary: str, schema: Mapping[str, Any], timeout_s: float) -> ToolSpec:
    """Something that is no tool of ours, with what has to be known of it."""
    return ToolSpec(
        name=name,
        summary=summary,
        input_schema={"type": "object", **schema},
        handler=_engine_only,
        timeout_s=min(timeout_s, 600.0),
        is_foreign=True,
    )


def intents_for(caller: Caller) -> list[IntentTool]:
    """Everything that this caller may run, by name."""
    found = {line.name: line for line in _offered(caller)}
    return [found[name] for name in sorted(found) if caller.permits(name, found[name].permission)]


def intent_modes(line: IntentTool, caller: Caller, offer: Offer) -> list[str]:
    """The mode that `auto` takes, then the others; none in which the name means several things."""
    offer = replace(offer, mcp=partial(_mcp_clear, caller=caller))
    modes = modes_of(line.name, user_id=caller.user_id, offer=offer)
    first = mode_choose(line.name, "auto", user_id=caller.user_id, offer=offer).mode
    return [first, *(mode for mode in modes if mode != first)]


def _offered(caller: Caller) -> Iterator[IntentTool]:
    for spec in agent_tools().values():
        yield _line(spec, "tool")
    yield _line(_ASK_SPEC, "model")
    yield from (
        IntentTool(
            name=f"{TASK_PREFIX}{found.name}",
            summary=found.description or found.title,
            input_schema=found.params_schema,
            source="task type",
            danger=found.danger,
        )
        for found in _task_types(caller)
    )
    for flow in flow_intents():
        yield IntentTool(
            name=flow.name,
            summary=flow.description,
            input_schema=flow.inputs_schema,
            source=f"flow, {flow.source}",
            danger="write",
        )
    known = tools_known()
    for tool in known.of_servers:
        if tool.server is not None:
            yield IntentTool(
                name=f"mcp:{tool.server.name}/{tool.remote_name}",
                summary=tool.summary,
                input_schema=tool.input_schema,
                source=f"MCP server {tool.server.name}",
                danger=tool.danger,
                cost_usd_micros=tool.cost_usd_micros or 0,
                cost_usd_micros_per_s=tool.cost_usd_micros_per_s or 0,
            )
    if known.servers:
        for name in (MCP_SERVERS, MCP_TOOLS):
            yield _line(replace(_LISTS, name=name), "MCP")


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
