"""What operators say about tools, and the rows of the registry's own."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction

from agents_cfg.models import Tool, ToolDanger
from agents_cfg.selectors.profiles import profiles_forget
from taskmapr.core.errors import InvalidInput
from taskmapr.core.tools import ToolSpec, registry

logger = logging.getLogger(__name__)

_ORDER: Final = (ToolDanger.READ, ToolDanger.WRITE, ToolDanger.DANGEROUS)
_WORDS: Final = (
    "is_enabled",
    "danger",
    "has_effect",
    "needs_approval",
    "inject_user_id",
    "timeout_s",
    "cost_usd_micros",
    "cost_usd_micros_per_s",
)


@transaction.atomic
def tool_save(*, tool: Tool, by: str) -> Tool:
    """Store what operators say about a tool. `by`: who did it, for the log.

    Everything else about it belongs to its author and is not written, but for a note of what it was
    like when it was allowed. Raises InvalidInput when this would make a tool of the registry less
    careful than its author made it.
    """
    tool_check(tool)
    before = Tool.objects.select_for_update().get(pk=tool.pk)
    if tool.is_enabled != before.is_enabled:
        _allowance_note(tool)
    tool.save(update_fields=(*_WORDS, "allowed_summary", "allowed_schema"))
    said = ", ".join(f"{name}={getattr(tool, name)}" for name in _WORDS)
    logger.info("tool %s by %s: %s", tool.name, by, said)
    transaction.on_commit(profiles_forget)
    return tool


def _allowance_note(tool: Tool) -> None:
    """What is allowed is what the server says of the tool now: not whatever it says later."""
    is_noted = tool.is_enabled and tool.server_id is not None
    tool.allowed_summary = tool.summary if is_noted else ""
    tool.allowed_schema = tool.input_schema if is_noted else None


def tool_check(tool: Tool) -> None:
    """Raises InvalidInput with every word that cannot be said about this tool."""
    problems = []
    if tool.server is None:
        if danger_raised(tool.own_danger, tool.danger) != tool.danger:
            problems.append(("danger", f"its author says {tool.own_danger}; it can only be raised"))
        if tool.inject_user_id:
            problems.append(("inject_user_id", "tools of the registry know the user anyway"))
    elif tool.inject_user_id and "user_id" not in tool.input_schema.get("properties", {}):
        problems.append(("inject_user_id", "the tool has no argument user_id"))
    if tool.is_enabled and tool.problem:
        problems.append(("is_enabled", f"it cannot be offered: {tool.problem}"))
    if problems:
        raise InvalidInput.of(*problems)


def danger_raised(one: str, other: str) -> str:
    """The greater danger of two."""
    return max(one, other, key=[str(danger) for danger in _ORDER].index)


@transaction.atomic
def registry_tools_write() -> int:
    """Every tool of this process's registry has a row that says what its author says.

    Returns how many rows were written: none, as a rule.
    """
    rows = {row.name: row for row in Tool.objects.filter(server=None)}
    specs = {spec.name: spec for spec in registry.all()}
    new = [_new(spec) for name, spec in specs.items() if name not in rows]
    changed = [
        row
        for name, row in rows.items()
        if _takes(row, _said(specs[name]) if name in specs else {"is_present": False})
    ]
    Tool.objects.bulk_create(new, ignore_conflicts=True)
    Tool.objects.bulk_update(changed, ["summary", "input_schema", "own_danger", "is_present"])
    if new or changed:
        transaction.on_commit(profiles_forget)
    return len(new) + len(changed)


def _said(spec: ToolSpec) -> dict[str, Any]:
    return {
        "summary": spec.summary,
        "input_schema": dict(spec.input_schema),
        "own_danger": spec.danger,
        "is_present": True,
    }


def _new(spec: ToolSpec) -> Tool:
    return Tool(
        name=spec.name,
        is_enabled=True,
        danger=spec.danger,
        has_effect=spec.has_effect,
        needs_approval=spec.needs_approval,
        seen_at=datetime.now(UTC),
        **_said(spec),
    )


def _takes(row: Tool, said: dict[str, Any]) -> bool:
    changed = [name for name, value in said.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, said[name])
    return bool(changed)
