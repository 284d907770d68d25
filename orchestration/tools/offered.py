"""Which tools a run may call, and what it has to do without."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from agents_cfg.models import McpServer, OverlayProfile, Tool
from agents_cfg.selectors.tools import KnownTools, tools_known, tools_known_last
from agents_cfg.services.tools import danger_raised
from orchestration.tools.mcp import mcp_tool_spec
from taskmapr.core.tools import ToolSpec, is_named, model_name_of, registry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The tools of one run. `missing`: in words for the model, what it would have otherwise."""

    tools: list[ToolSpec]
    missing: tuple[str, ...] = ()

    def get(self, name: str) -> ToolSpec | None:
        """The tool of this name; models may also use its name in the registry."""
        return next((t for t in self.tools if name in (t.model_name, t.name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Specs:
    """Everything that could be offered, by what it depends on."""

    of_registry: tuple[ToolSpec, ...]
    of_servers: tuple[tuple[str, ToolSpec], ...]
    away: tuple[str, ...]
    #: Tools of servers whose rows make no tool.
    broken: tuple[Tool, ...]


def tools_offered(profile: OverlayProfile) -> Offered:
    """What a profile's runs are offered now. Touches the database.

    Of the registry: what the profile's list of tools names. Of MCP servers that the profile names:
    what operators enabled, if it only reads; what does more must be in the list of tools by name.
    """
    return _offered(_specs(tools_known()), profile)


def tools_enabled() -> tuple[tuple[ToolSpec, ...], tuple[tuple[str, ToolSpec], ...]]:
    """Every tool that operators have not taken away: of the registry, and of MCP servers with the
    names of these. The same objects until somebody says something else. Touches the database."""
    specs = _specs(tools_known())
    return specs.of_registry, specs.of_servers


def tools_without_database(profile: OverlayProfile) -> Offered:
    """What is left while Postgres is away: nothing that needs the effect ledger or a question.

    What operators say holds as this process read it last, for a run or in a chore. Does not touch
    the database.
    """
    known = tools_known_last() or (_last.known if _last else KnownTools.nothing())
    specs = _specs(known)
    offered = _offered(specs, profile)
    left = [
        spec
        for spec in offered.tools
        if (spec.provider == "ui" or spec.danger == "read")
        and not (spec.has_effect or spec.needs_approval)
    ]
    lost = "every tool that changes something outside of the page, until the database is back"
    return Offered(tools=left, missing=(*offered.missing, lost))


def tool_spec(row: Tool) -> ToolSpec | None:
    """One tool as runs call it; None when there is none, or its row makes none."""
    if row.server is not None:
        return _of_server(row, row.server) if row.server.is_enabled else None
    own = registry.get(row.name)
    return None if own is None else _as_said(own, row)


def _offered(specs: _Specs, profile: OverlayProfile) -> Offered:
    tools = [spec for spec in specs.of_registry if is_named(spec.name, profile.tools)]
    tools += [spec for server, spec in specs.of_servers if _is_wanted(server, spec, profile)]
    missing = [f"the tools of {s}" for s in specs.away if is_named(s, profile.mcp_servers)]
    missing += [
        f"the tool {row.name}"
        for row in specs.broken
        if row.server is not None and _is_wanted(row.server.name, row, profile)
    ]
    return Offered(tools=tools, missing=tuple(missing))


def _is_wanted(server: str, tool: ToolSpec | Tool, profile: OverlayProfile) -> bool:
    return is_named(server, profile.mcp_servers) and (
        tool.danger == "read" or is_named(tool.name, profile.tools)
    )


@dataclass(frozen=True, slots=True)
class _Last:
    """What the present specs were made of."""

    known: KnownTools
    own: list[ToolSpec]
    specs: _Specs


_last: _Last | None = None


def _specs(known: KnownTools) -> _Specs:
    """Made anew only when somebody says something else: the agent loop knows tools by identity."""
    global _last  # noqa: PLW0603 - one per process, like the rows that it is made of
    own = registry.all()
    if _last is None or _last.own != own:
        _last = _Last(known, own, _made(known, own))
    elif _last.known is not known:
        is_same = _last.known.said == known.said
        _last = _Last(known, own, _last.specs if is_same else _made(known, own))
    return _last.specs


def _made(known: KnownTools, registered: list[ToolSpec]) -> _Specs:
    own = [_as_said(spec, known.of_registry.get(spec.name)) for spec in registered]
    away = {server.pk for server in known.away}
    specs: list[tuple[str, ToolSpec]] = []
    broken: list[Tool] = []
    for row in known.of_servers:
        if row.server is None or row.server_id in away:
            continue
        if (spec := _of_server(row, row.server)) is None:
            broken.append(row)
        else:
            specs.append((row.server.name, spec))
    return _Specs(
        of_registry=tuple(spec for spec in own if spec.enabled),
        of_servers=tuple(_told_apart(specs, {spec.model_name for spec in own})),
        away=tuple(server.name for server in known.away),
        broken=tuple(broken),
    )


def _of_server(row: Tool, server: McpServer) -> ToolSpec | None:
    """None when no tool can be made of the row: that costs a run this tool, and nothing else."""
    try:
        return mcp_tool_spec(row, server)
    except (AttributeError, TypeError, ValueError) as error:
        logger.warning("tool %s is not offered: %s", row.name, error)
        return None


def _as_said(spec: ToolSpec, row: Tool | None) -> ToolSpec:
    """The tool as operators want it: never less careful than its author made it."""
    if row is None:
        return spec
    wanted: dict[str, Any] = {
        "enabled": spec.enabled and row.is_enabled,
        "danger": danger_raised(spec.danger, row.danger),
        "has_effect": spec.has_effect or row.has_effect,
        "needs_approval": spec.needs_approval or row.needs_approval,
        "timeout_s": row.timeout_s or spec.timeout_s,
        "cost_usd_micros": spec.cost_usd_micros
        if row.cost_usd_micros is None
        else row.cost_usd_micros,
        "cost_usd_micros_per_s": spec.cost_usd_micros_per_s
        if row.cost_usd_micros_per_s is None
        else row.cost_usd_micros_per_s,
    }
    is_same = all(getattr(spec, name) == value for name, value in wanted.items())
    return spec if is_same else replace(spec, **wanted)


def _told_apart(
    specs: Iterable[tuple[str, ToolSpec]], taken: set[str]
) -> Iterator[tuple[str, ToolSpec]]:
    """Tools whose names models could confuse get another one: in the order of their names, the
    first keeps the plain one."""
    for server, spec in sorted(specs, key=lambda pair: pair[1].name):
        told = spec
        if spec.model_name in taken:
            told = replace(spec, alias=model_name_of(spec.name, is_taken=True))
        taken.add(told.model_name)
        yield server, told
