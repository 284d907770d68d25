"""How intents and jobs are called."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

#: 1 to 128 characters.
INTENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}")

#: A model with tools answers a prompt.
ASK: Final = "agent.ask"
#: What MCP servers are there, and what they can do.
MCP_TOOLS: Final = "mcp.tools"
MCP_SERVERS: Final = "mcp.servers"
#: `task.<name>`: a type of task, under the intent's own run.
TASK_PREFIX: Final = "task."

_JOB: Final = re.compile(r"job_([0-9a-f]{32})")


def job_id_of(run_id: UUID) -> str:
    """`job_` and the 32 hex digits of the run's id."""
    return f"job_{run_id.hex}"


def run_id_of(job_id: str) -> UUID | None:
    """The inverse; None for what is no such name."""
    match = _JOB.fullmatch(job_id)
    return UUID(hex=match[1]) if match else None
