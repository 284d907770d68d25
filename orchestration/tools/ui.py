"""The tools that act on the user's page. Each only tells the browser what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from orchestration.tools.ui_actions import (
    DEFAULT_DURATION_MS,
    MAX_DURATION_MS,
    MAX_PATH,
    MAX_SELECTOR,
    MAX_SELECTORS,
    MAX_STEPS,
    check_action,
    rules_of,
    unknown_ids,
)
from taskmapr.core.tools import Danger, ToolContext, ToolRegistry, ToolSpec, tool

_SELECTOR: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_SELECTOR,
    "description": "a CSS selector such as #id, or the name of a component",
}
_DURATION: Final[dict[str, Any]] = {
    "type": "integer",
    "description": f"milliseconds, 0 to {MAX_DURATION_MS}, default {DEFAULT_DURATION_MS}",
}
_PATH: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_PATH,
    "description": "a path of this application, beginning with one /",
}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_STEP: Final = _object(
    ["query"],
    query=_SELECTOR,
    page=_PATH,
    duration=_DURATION,
    message={"type": "string", "description": "what to tell the user at this step"},
    waitForClick={"type": "boolean", "description": "go on only after a click; default true"},
)


_SELECTORS: Final[dict[str, Any]] = {
    "type": "array",
    "items": _SELECTOR,
    "minItems": 1,
    "maxItems": MAX_SELECTORS,
}
_STEPS: Final[dict[str, Any]] = {
    "type": "array",
    "items": _STEP,
    "minItems": 1,
    "maxItems": MAX_STEPS,
}


def kinds_without_call(offered: Iterable[ToolSpec]) -> frozenset[str]:
    """The actions that a model may also write into its text: those whose tool is offered, and that
    need neither a person's word nor the ledger, which only calls can have."""
    free = {
        spec.name
        for spec in offered
        if not (spec.needs_approval or spec.has_effect or spec.danger == "dangerous")
    }
    return frozenset(kind for name, kind, _, _ in _TOOLS if name in free)


def _queue(ctx: ToolContext, kind: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Check one action, append it to the run's log, and say so. Raises InvalidInput, ToolDenied."""
    rules = rules_of(ctx.options.get("ui", {}), ctx.request)
    payload = check_action(kind, args, rules)
    # After a navigation the page is another one than the snapshot shows.
    moved = any(action["type"] == "navigate" for action in ctx.sent_actions)
    missing = [] if moved else unknown_ids(payload, rules)
    ctx.emit_actions([{"type": kind, "payload": payload}])
    if not missing:
        return {"queued": True}
    return {"queued": True, "warning": f"not on the page as it was sent: {', '.join(missing)}"}


def register(into: ToolRegistry | None = None) -> list[ToolSpec]:
    """Put the six `ui` tools into a registry (the process's one when none is given)."""
    return [_register(into, *row) for row in _TOOLS]


def _register(
    into: ToolRegistry | None, name: str, kind: str, summary: str, schema: dict[str, Any]
) -> ToolSpec:
    danger: Danger = "write" if kind == "click" else "read"

    @tool(name, summary=summary, input_schema=schema, danger=danger, into=into)
    async def act(ctx: ToolContext, args: dict[str, Any]) -> Any:
        return _queue(ctx, kind, args)

    return act


#: Name of the tool, kind of the action, what the model is told, its arguments.
_TOOLS: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    (
        "ui.navigate",
        "navigate",
        "Open another page of this application for the user, at once.",
        _object(["path"], path=_PATH),
    ),
    (
        "ui.highlight",
        "highlight",
        "Show the user elements of the page by highlighting them.",
        _object(["selectors"], selectors={"anyOf": [_SELECTORS, _SELECTOR]}, duration=_DURATION),
    ),
    (
        "ui.scroll_to",
        "scrollTo",
        "Scroll the page until an element is in view.",
        _object(
            ["selector"],
            selector=_SELECTOR,
            behavior={"type": "string", "enum": ["smooth", "auto"]},
        ),
    ),
    (
        "ui.click",
        "click",
        "Click an element of the page for the user. The browser may do it twice.",
        _object(["selector"], selector=_SELECTOR),
    ),
    (
        "ui.start_walkthrough",
        "startWalkthrough",
        "Lead the user through the page step by step.",
        _object(["steps"], steps=_STEPS),
    ),
    (
        "ui.custom",
        "custom",
        "Tell the host application to do something of its own.",
        {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "which action"}},
        },
    ),
)
