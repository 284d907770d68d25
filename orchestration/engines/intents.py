"""The engine of jobs: one intent, carried out in the mode that was chosen for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from agents_cfg.selectors.profiles import profile_choose
from agents_cfg.selectors.tools import tools_known
from orchestration.dialects.task_result import file_told
from orchestration.engines.attempts import Attempts
from orchestration.engines.call_voice import CallVoice
from orchestration.engines.direct_calls import DirectCall
from orchestration.engines.prompts_of_jobs import PromptOfJob
from orchestration.engines.queue_tasks import TaskEngine
from orchestration.execution.drive import HeldRun, Paused
from orchestration.intents.names import ASK, TASK_PREFIX, job_id_of
from orchestration.intents.words import SHOWN
from orchestration.log.store import events_all
from orchestration.page.profile_rows import profile_view
from orchestration.selectors.artifacts import file_path
from orchestration.selectors.intents import agent_tools
from orchestration.selectors.task_types import task_type_named
from orchestration.targets.flows import FlowTarget
from orchestration.task_types.agent_prompt import prompt_of
from orchestration.tools.flows import flow_call
from orchestration.tools.mcp_intents import mcp_call, mcp_resolve
from taskmapr.core import run_state
from taskmapr.core.errors import TaskMaprError, TimedOut, UnknownIntent
from taskmapr.core.events import Event, ResultGiven
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)


class IntentEngine:
    """Drives one attempt of one job."""

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._input: Mapping[str, Any] = held.claim.input
        self._began = time.monotonic()
        self._label = label_of(held.claim.subject, self._input.get("flow"))

    async def run(self) -> None:
        """See Engine."""
        held = self._held
        logger.info("[TaskMapr] %s: attempt %d", self._job_id, held.attempt)
        try:
            result = await self._result()
        except TaskMaprError as error:
            is_late = isinstance(error, TimedOut)
            self._ended(run_state.TIMED_OUT if is_late else run_state.FAILED)
            raise
        held.writer.append(ResultGiven(value=result))
        self._ended(run_state.SUCCEEDED)

    async def _result(self) -> Any:
        target: str = self._input["target"]
        match self._held.claim.mode:
            case "flow":
                return await self._by_flow()
            case "mcp":
                return await self._by_server(target)
        if target == ASK:
            prompt = prompt_of(self._input["inputs"])
            return await PromptOfJob(self._held, prompt, self._input.get("patterns")).result()
        tools, options = await in_database(_tools)
        if (spec := tools.get(target)) is not None:
            inputs = dict(self._input["inputs"])
            return await DirectCall(self._held, spec, inputs, options=options).result()
        if target.startswith(TASK_PREFIX):
            return await self._by_task(target.removeprefix(TASK_PREFIX))
        raise UnknownIntent(f"The tool {target} is not there any more.")

    async def _by_flow(self) -> Any:
        held = self._held
        async with Attempts(held) as attempts:
            answer = await flow_call(
                FlowTarget.of_json(self._input["flow"]),
                job_id=self._job_id,
                intent=self._input["target"],
                inputs=self._input["inputs"],
                context=self._input["context"],
                user_id=str(held.claim.owner_id),
                ctx=attempts.context,
            )
        if answer.wait is not None:
            held.writer.append(answer.wait.event())
            raise Paused
        return answer.result

    async def _by_server(self, target: str) -> Any:
        """A tool that changes something is in the effect ledger, like every other."""
        known = await in_database(tools_known)
        resolved = mcp_resolve(target, known)
        own = resolved.spec if resolved is not None else None
        voice = CallVoice(self._held)

        async def call(ctx: ToolContext, args: dict[str, Any]) -> Any:
            async with Attempts(self._held) as attempts:
                return await mcp_call(
                    target,
                    args,
                    job_id=self._job_id,
                    progress=lambda percent, text: voice.progress((percent or 0) / 100, text),
                    user_id=ctx.user_id,
                    ctx=attempts.context,
                )

        if own is None:
            return await call(self._bare_context(), dict(self._input["inputs"]))
        spec = replace(own, handler=call, timeout_s=min(600.0, own.timeout_s + 5))
        inputs = dict(self._input["inputs"])
        return await DirectCall(self._held, spec, inputs, repeats=False).result()

    async def _by_task(self, name: str) -> Any:
        """The task's function, under this run: its files and words are the job's."""
        held = self._held
        params = await in_database(_params, name, self._input["inputs"])
        settings = {"intents": self._input.get("patterns")}
        held.claim = replace(
            held.claim, subject=name, input={"params": params, "settings": settings}
        )
        await TaskEngine(held).run()
        await held.writer.barrier()
        events = await in_database(events_all, held.run_id, held.claim.sealer)
        return task_outcome(events, held.run_id)

    def _bare_context(self) -> ToolContext:
        claim = self._held.claim
        return ToolContext(
            run_id=str(claim.run_id),
            call_id="",
            user_id=str(claim.owner_id),
            session_id=None,
            is_models_choice=False,
        )

    def _ended(self, status: str) -> None:
        claim = self._held.claim
        seconds = time.monotonic() - self._began
        logger.info(
            "[TaskMapr] %s: %s after %d ms, user %s",
            self._job_id,
            SHOWN[status],
            round(seconds * 1000),
            claim.owner_id,
        )
        metrics.intent_ended(
            intent=self._label, mode=claim.mode, status=SHOWN[status], seconds=seconds
        )

    @property
    def _job_id(self) -> str:
        return job_id_of(self._held.run_id)


def label_of(intent: str, flow: Mapping[str, Any] | None) -> str:
    """How figures call an intent: whoever asks chooses the ends of flows' names, and must not be
    able to make figures without number."""
    if flow is None or flow["source"] == f"mapping {intent}":
        return intent
    if flow["source"] == "default":
        return intent if intent in _USUAL else "another flow"
    return str(flow["source"]).removeprefix("mapping ")


_USUAL = frozenset({"gmail.triage", "slack.summarize", "calendar.schedule"})


def _tools() -> tuple[Mapping[str, ToolSpec], Mapping[str, Any]]:
    """The tools by name, and what the default profile lets them see."""
    view = profile_view(profile_choose(name=None, origin=None))
    return agent_tools(), {"knowledge": view.knowledge_options()}


def _params(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the type is given: the inputs, with what it says of those that were left out."""
    return task_type_named(name).params_of(inputs)


def task_outcome(events: Iterable[Event], run_id: UUID) -> dict[str, Any]:
    """What the task's function gave, with the files of the run beside it.

    An object keeps its members; any other value stands under `value`. Files have the members of a
    task's result; but results of intents are kept as they are, so addresses carry no signature,
    whose time would be over: they need the owner's credentials.
    """
    value: Any = None
    files: dict[str, list[dict[str, Any]]] = {"downloads": [], "screenshots": []}
    for event in events:
        if event.kind == "result":
            value = event.data.get("value")
        elif event.kind == "artifact" and (member := _MEMBERS.get(event.data.get("role", ""))):
            told = file_told(event.at, event.data, partial(file_path, run_id))
            files[member].append({**told, "mime": event.data["media_type"]})
    return {**(value if isinstance(value, Mapping) else {"value": value}), **files}


#: The role of a file → where a result lists it.
_MEMBERS = {"download": "downloads", "screenshot": "screenshots"}
