"""The engine of jobs: one intent, carried out in the mode that was chosen for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from orchestration.engines.direct_calls import DirectCall
from orchestration.execution.drive import HeldRun
from orchestration.intents.names import job_id_of
from orchestration.intents.words import SHOWN
from orchestration.selectors.intents import agent_tools
from taskmapr.core import run_state
from taskmapr.core.errors import TaskMaprError, TimedOut, UnknownIntent
from taskmapr.core.events import ResultGiven
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)


class IntentEngine:
    """Drives one attempt of one job."""

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._input: Mapping[str, Any] = held.claim.input
        self._began = time.monotonic()

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
        return await self._by_tool()

    async def _by_tool(self) -> Any:
        target = self._input["target"]
        tools = await in_database(agent_tools)
        spec = tools.get(target)
        if spec is None:
            raise UnknownIntent(f"The tool {target} is not there any more.")
        return await DirectCall(self._held, spec, dict(self._input["inputs"])).result()

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
            intent=claim.subject, mode=claim.mode, status=SHOWN[status], seconds=seconds
        )

    @property
    def _job_id(self) -> str:
        return job_id_of(self._held.run_id)
