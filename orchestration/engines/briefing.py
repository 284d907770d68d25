"""What the assistant's model is told in one run: instructions and conversation, as far as they
fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestration.execution.drive import HeldRun
from orchestration.page.profile import ProfileView, model_choice
from orchestration.page.request import OverlayRequest
from orchestration.prompts.conversation import earlier_messages, messages_for_model
from orchestration.prompts.hygiene import DataQuoter
from orchestration.prompts.overlay import Part, compose
from orchestration.prompts.recalled import Recalled
from orchestration.prompts.window import ContextWindow, LeftOut
from orchestration.tools.offered import Offered
from taskmapr.core import wired
from taskmapr.core.ports import ModelEndpoint, ModelRequest


class Briefing:
    """Makes the first request of a run and keeps all of its requests within a model's window.

    What was told is left with the held run: the instructions to be stored, and a warning when
    something had to be left out.
    """

    def __init__(
        self,
        held: HeldRun,
        request: OverlayRequest,
        *,
        quoter: DataQuoter,
        profile: ProfileView,
        offered: Offered,
        remembered: Sequence[Mapping[str, Any]],
        recalled: Recalled,
    ) -> None:
        """remembered: the session's chat messages before this prompt, oldest first."""
        self._held = held
        self._request = request
        self._quoter = quoter
        self._profile = profile
        self._offered = offered
        self._recalled = recalled
        self._earlier = earlier_messages(remembered, request)
        self._said = messages_for_model(remembered, request, quoter=quoter)
        self._warning: str | None = None
        self.window = ContextWindow(
            compose=self._composed,
            earlier=len(self._earlier),
            window_of=wired.ports().prices.context_tokens,
            on_left_out=self._left_out,
        )

    def model_request(self, endpoint: ModelEndpoint) -> ModelRequest:
        """Everything that there is to tell, before the window is looked at."""
        claim = self._held.claim
        choice = model_choice(self._request.config, self._profile)
        instructions = self._composed()
        self._keep(instructions)
        return ModelRequest(
            endpoint=endpoint,
            instructions=instructions,
            messages=[*self._said, *map(self._quoted, self._held.transcript.messages)],
            temperature=choice.temperature,
            max_output_tokens=choice.max_output_tokens,
            page={k: claim.input.get(k) for k in ("pageContext", "domElements")},
        )

    def _composed(self, leave_out: Collection[Part] = ()) -> str:
        claim = self._held.claim
        return compose(
            self._request,
            self._profile,
            quoter=self._quoter,
            user_id=str(claim.owner_id),
            session_id=claim.session_id or "",
            tools=[spec.model_name for spec in self._offered.tools],
            missing=self._offered.missing,
            earlier=self._earlier,
            recalled=self._recalled,
            leave_out=leave_out,
        )

    def _quoted(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["role"] != "tool":
            return message
        return {**message, "content": self._quoter.tool_text(message["content"])}

    def _keep(self, instructions: str) -> None:
        self._held.instructions = self._recalled.sealed_in(instructions, self._quoter)

    def _left_out(self, request: ModelRequest, left_out: LeftOut) -> None:
        self._keep(request.instructions)
        warnings = self._held.warnings
        if self._warning in warnings:
            warnings.remove(self._warning)
        self._warning = str(left_out)
        warnings.append(self._warning)
