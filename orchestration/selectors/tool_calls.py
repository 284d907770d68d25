"""How often each tool was called lately, and failed: for lists, which ask often."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestration.selectors.analytics import ToolUse, tools_used

#: How far back; of these days only the newest runs are read (`analytics.TOOL_RUNS`).
LATELY: Final = timedelta(days=7)
#: Seconds for which a process shows the same figures.
KEPT_S: Final = 60.0
MOST_TOOLS: Final = 1_000


class _Lately:
    """The figures that this process counted last."""

    def __init__(self) -> None:
        self._until = 0.0
        self._uses: Mapping[str, ToolUse] = {}

    def uses(self) -> Mapping[str, ToolUse]:
        if self._until < time.monotonic():
            counted = tools_used(datetime.now(UTC) - LATELY, most=MOST_TOOLS)
            self._uses = {use.tool: use for use in counted}
            self._until = time.monotonic() + KEPT_S
        return self._uses

    def forget(self) -> None:
        self._until = 0.0


_lately = _Lately()


def tool_calls_lately() -> Mapping[str, ToolUse]:
    """Calls by the registry name of the tool, at most KEPT_S old. One query when they are older."""
    return _lately.uses()


def tool_calls_forget() -> None:
    """Count anew: for tests."""
    _lately.forget()
