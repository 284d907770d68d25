"""Asking MCP servers how they are, in a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Future
from typing import Any, Final

from agents_cfg.selectors.mcp import mcp_addresses
from agents_cfg.selectors.tools import tools_known
from agents_cfg.services.mcp_reports import mcp_reports_write
from agents_cfg.services.mcp_servers import mcp_environment_apply
from agents_cfg.services.tools import registry_tools_write
from taskmapr.core import wired

#: Longer than any server is waited for: three times 30 s.
PATIENCE_S: Final = 100.0

Submit = Callable[[Coroutine[Any, Any, Any]], "Future[Any]"]


def mcp_servers_check(at_once: Collection[int] = (), *, submit: Submit) -> None:
    """The rows say which servers and tools there are now, and how the servers are.

    at_once: ids of servers that are tried even if they failed a moment ago. submit: runs a
    coroutine where sessions live. Safe to run twice and at the same time.
    """
    mcp_environment_apply()
    registry_tools_write()
    # Imports the client, if it was not yet: here, not on the loop that carries runs.
    servers = wired.ports().tool_servers()
    asked = submit(servers.check(mcp_addresses(), at_once=at_once))
    mcp_reports_write(asked.result(timeout=PATIENCE_S))
    # A worker that had no run before Postgres goes away knows what operators switched off.
    tools_known()
