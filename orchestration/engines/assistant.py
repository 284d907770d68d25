"""The assistant: an agent loop over a page, for runs of kind `overlay`."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime

from orchestration.engines.answer import AnswerSink
from orchestration.engines.assistant_setup import Setup, setup_of
from orchestration.engines.briefing import Briefing
from orchestration.engines.figures import run_measured
from orchestration.engines.model_turns import ResilientModel
from orchestration.engines.tool_calls import ToolCaller
from orchestration.engines.turn_log import TurnLog
from orchestration.execution.drive import HeldRun
from orchestration.page.request import OverlayRequest
from orchestration.prompts.closing import closing_sentence
from orchestration.prompts.hygiene import DataQuoter, seen
from orchestration.tools.ui_actions import rules_of
from taskmapr.core import wired
from taskmapr.core.errors import CircuitOpen, MaxTurnsExceeded, ModelFailed
from taskmapr.core.ports import ModelEndpoint, ModelResponse, ToolCallRequest
from taskmapr.core.tools import ToolContext, ToolSpec, registry
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)


class AssistantEngine:
    """Drives one attempt of one overlay run."""

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._request = OverlayRequest.from_stored(held.claim.input)
        self._quoter = DataQuoter(secrets.token_hex(8))
        self._setup: Setup
        self._sink: AnswerSink
        self._caller: ToolCaller
        self._turns: TurnLog

    async def run(self) -> None:
        """See Engine. Raises what the model port raises, and MaxTurnsExceeded."""
        with run_measured(self._held):
            await self._answer()

    async def _answer(self) -> None:
        held, request = self._held, self._request
        self._log_start()
        self._setup = setup = await in_database(setup_of, held.claim, request)
        held.continues_unread = setup.continues_unread
        ui_options = setup.profile.ui_options()
        rules = rules_of(ui_options, held.claim.input, kinds=setup.written_kinds)
        self._sink = AnswerSink(held, rules)
        self._caller = ToolCaller(held, self._context)
        for call in held.transcript.pending_calls:
            await self._caller(call, self._offered(call.name))
        left = setup.max_turns - held.writer.state.steps
        if left < 1:
            raise MaxTurnsExceeded
        self._turns = TurnLog(self._held, setup.endpoint, self._meant)
        briefing = self._briefing()
        try:
            await wired.ports().agent_loop()(
                model=ResilientModel(
                    model=wired.ports().model(setup.endpoint),
                    on_answering=self._model_answers,
                    context=briefing.window,
                ),
                request=briefing.model_request(setup.endpoint),
                tools=setup.offered.tools,
                invoke=self._invoke,
                sink=self._sink,
                max_turns=left,
                on_response=self._turn_ended,
            )
        except CircuitOpen:
            # Overlays know one word for a model that is down.
            raise ModelFailed("The language model failed again and again. Try later.") from None
        self._say_something()
        self._log_end()
        metrics.messages_measured(setup.messages_before + 2)

    def _briefing(self) -> Briefing:
        setup = self._setup
        return Briefing(
            self._held,
            self._request,
            quoter=self._quoter,
            profile=setup.profile,
            offered=setup.offered,
            remembered=setup.remembered,
            recalled=setup.recalled,
        )

    async def _invoke(self, call: ToolCallRequest, spec: ToolSpec | None) -> str:
        """What a tool says is data like the page: it must not read as an order."""
        return self._quoter.tool_text(await self._caller(call, spec))

    def _say_something(self) -> None:
        """A run that only acted ends with a word: clients show a made-up answer otherwise."""
        if self._held.transcript.actions and not self._held.transcript.text:
            self._sink.text(closing_sentence(self._held.transcript.actions))
            self._sink.end_turn()

    def _offered(self, name: str) -> ToolSpec | None:
        return self._setup.offered.get(name)

    def _context(self, call_id: str) -> ToolContext:
        claim = self._held.claim
        return ToolContext(
            run_id=str(claim.run_id),
            call_id=call_id,
            user_id=str(claim.owner_id),
            session_id=claim.session_id,
            options={
                "ui": self._setup.profile.ui_options(),
                "knowledge": self._setup.profile.knowledge_options(),
            },
            emit_actions=self._sink.emitter(call_id),
            sent_actions=list(self._sink.sent_actions),
            request=claim.input,
        )

    def _model_answers(self, endpoint: ModelEndpoint) -> None:
        self._turns.answering = endpoint
        if endpoint.model != self._held.model:
            self._held.warnings.append(f"Answered by {endpoint.model}.")
        self._held.model = endpoint.model

    async def _turn_ended(self, response: ModelResponse) -> None:
        self._sink.end_turn()
        metrics.model_answered(True)
        await self._turns.ended(response)

    def _meant(self, name: str) -> ToolSpec | None:
        return self._setup.offered.get(name) or registry.get(name)

    def _log_start(self) -> None:
        claim, page = self._held.claim, self._request.page
        logger.info("[TaskMapr] Starting stream for session %s", claim.session_id)
        logger.info(
            "[TaskMapr] Page: %s (%d interactive elements)",
            seen(page.pathname),
            self._request.interactive_total,
        )

    def _log_end(self) -> None:
        state = self._held.writer.state
        seconds = (datetime.now(UTC) - self._held.claim.created_at).total_seconds()
        logger.info(
            "[TaskMapr] Stream completed - %.1fs, %d tokens",
            seconds,
            state.input_tokens + state.output_tokens,
        )
