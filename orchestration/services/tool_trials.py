"""Trying a tool: one call that an operator asked for, in a worker, without a run and a model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from agents_cfg.models import Tool
from orchestration.models import ToolTrial
from orchestration.models.tool_trial import ToolTrialStatus
from orchestration.page.sensitive import redact_members
from orchestration.page.text import storable
from orchestration.tools.offered import tool_spec
from taskmapr.core import jobs, wired
from taskmapr.core.errors import TaskMaprError, TimedOut, ToolDenied
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.users.models import User

logger = logging.getLogger(__name__)

#: A call takes at most this long, whatever the tool may take in a run: it holds a chore's thread.
LIMIT_S: Final = 60.0
RESULT_LENGTH: Final = 20_000
#: Trials kept per tool.
KEPT: Final = 20

Submit = Callable[[Coroutine[Any, Any, Any]], "Future[Any]"]


def tool_trial_spec(tool: Tool) -> ToolSpec:
    """The tool as a trial calls it. Raises ToolDenied unless it is allowed, there, and only reads.

    Tools of the page need a page, so there is nothing to see of them here.
    """
    spec = tool_spec(tool) if tool.is_offered else None
    if spec is None or not spec.enabled:
        raise ToolDenied("It is not allowed, or not there: assistants cannot call it either.")
    if spec.danger != "read" or spec.has_effect or spec.needs_approval:
        raise ToolDenied("Only tools that read and need no permission can be tried.")
    if spec.provider == "ui":
        raise ToolDenied("It tells a page what to do, and there is none here.")
    return spec


def tool_trial_request(*, tool: Tool, args: dict[str, Any], user: User) -> ToolTrial:
    """Write a trial down and ask a worker to carry it out.

    Only the newest KEPT trials of the tool remain. Raises ToolDenied, InvalidInput (the arguments
    do not fit) and QueueUnavailable; in the last case the trial has failed.
    """
    tool_trial_spec(tool).check(args)
    trial = ToolTrial.objects.create(tool=tool, args=args, user=user)
    newest = ToolTrial.objects.filter(tool=tool).values_list("pk", flat=True)[:KEPT]
    ToolTrial.objects.filter(tool=tool).exclude(pk__in=list(newest)).delete()
    try:
        wired.ports().queue.enqueue(jobs.TOOL_TRY, str(trial.pk), queue=jobs.QUEUE_CHORES)
    except TaskMaprError as error:
        _close(trial, error, begun=time.monotonic())
        raise
    return trial


def tool_trial_run(*, trial_id: UUID, submit: Submit) -> None:
    """Call the tool and write down what came of it; a second call does nothing.

    submit: runs a coroutine where sessions with MCP servers live. What operators say about the tool
    is asked again: it may have changed since the trial was asked for.
    """
    waiting = ToolTrial.objects.select_related("tool__server")
    trial = waiting.filter(pk=trial_id, status=ToolTrialStatus.WAITING).first()
    if trial is None:
        return
    begun = time.monotonic()
    try:
        spec = tool_trial_spec(trial.tool)
        result = submit(_called(spec, _context(trial), trial.args)).result(timeout=LIMIT_S + 5)
    except TaskMaprError as error:
        _close(trial, error, begun=begun)
    except Exception:
        # Tools come from many authors, and fail in every way that there is.
        logger.exception("tool %s failed in a trial", trial.tool.name)
        _close(trial, TaskMaprError("The tool failed unexpectedly."), begun=begun)
    else:
        trial.result = _shown(result)
        _close(trial, None, begun=begun)


def _context(trial: ToolTrial) -> ToolContext:
    return ToolContext(
        run_id=str(trial.pk),
        call_id="trial",
        user_id=str(trial.user_id),
        session_id=None,
        options={"knowledge": {"collections": ["*"]}},
    )


async def _called(spec: ToolSpec, context: ToolContext, args: dict[str, Any]) -> Any:
    limit_s = min(spec.timeout_s, LIMIT_S)
    try:
        async with asyncio.timeout(limit_s):
            return await spec.handler(context, args)
    except TimeoutError:
        raise TimedOut(f"The tool took longer than {limit_s:g} s.") from None


def _shown(result: Any) -> str:
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2, default=str).decode()
    shown = storable(text, RESULT_LENGTH)
    return shown if len(text) <= RESULT_LENGTH else f"{shown}… (cut)"


def _close(trial: ToolTrial, error: TaskMaprError | None, *, begun: float) -> None:
    """A tool that was deleted meanwhile took its trials with it: then there is nothing left."""
    ToolTrial.objects.filter(pk=trial.pk).update(
        status=ToolTrialStatus.FAILED if error else ToolTrialStatus.SUCCEEDED,
        args=redact_members(trial.args),
        result=trial.result,
        error_code=error.code if error else "",
        error_message=error.detail if error else "",
        duration_ms=int((time.monotonic() - begun) * 1000),
        finished_at=datetime.now(UTC),
    )
