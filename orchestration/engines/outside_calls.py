"""What an engine does with work that others carry out: workflows and MCP servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.execution.drive import HeldRun, Paused
from orchestration.targets.flows import FlowTarget
from orchestration.tools.flows import CallAttempt, CallContext, flow_call
from orchestration.tools.mcp_intents import mcp_call
from taskmapr.core.events import LogWritten, ProgressMade


async def flow_result(
    held: HeldRun,
    flow: FlowTarget,
    *,
    intent: str,
    inputs: Mapping[str, Any],
    context: Mapping[str, Any] | None = None,
) -> Any:
    """What the workflow answered. Raises Paused when it answers later: the attempt that follows
    asks the same and gets the answer. Other errors: see `flow_call`."""
    answer = await flow_call(
        flow,
        job_id=f"job_{held.run_id.hex}",
        intent=intent,
        inputs=inputs,
        context=context,
        user_id=str(held.claim.owner_id),
        ctx=_context(held),
    )
    if answer.wait is not None:
        held.writer.append(answer.wait.event())
        raise Paused
    return answer.result


async def mcp_result(held: HeldRun, *, intent: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the tool answered; its progress is told to whoever follows. Errors: see `mcp_call`."""

    def told(percent: float | None, text: str) -> None:
        if percent is None:
            held.writer.append(LogWritten(level="info", text=text))
        else:
            held.writer.append(ProgressMade(fraction=percent / 100, text=text or None))

    return await mcp_call(
        intent,
        inputs,
        job_id=f"job_{held.run_id.hex}",
        progress=told,
        user_id=str(held.claim.owner_id),
        ctx=_context(held),
    )


def _context(held: HeldRun) -> CallContext:
    """Each attempt that failed is a line of the run's log."""

    def failed(attempt: CallAttempt) -> None:
        then = "" if attempt.delay_s is None else f" The next follows in {attempt.delay_s:.1f} s."
        text = f"Attempt {attempt.number} failed: {attempt.error.detail}{then}"
        held.writer.append(LogWritten(level="warning", text=text))

    return CallContext(deadline_at=held.claim.deadline_at, attempt_failed=failed)
