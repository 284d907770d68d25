"""What TaskMapr needs from outside, as narrow protocols; `taskmapr.wiring` names the fulfillers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

# Models ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """Where a model is and what it costs. Prices: US dollars per million tokens, None = unknown."""

    #: LiteLLM's notation: `gpt-5-mini`, `openai/<name>`, `anthropic/<name>`, `mock/echo`.
    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    #: `auto`, `openai` (OpenAI-compatible HTTP), `litellm` or `offline`.
    adapter: str = "auto"
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    #: Seconds to wait for the first byte and between two bytes of an answer.
    timeout_s: float = 60.0
    input_price_usd: float | None = None
    output_price_usd: float | None = None
    supports_tools: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool as a model sees it. `name` is the model name (no dots)."""

    name: str
    summary: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallRequest:
    """A tool call that a model asked for. `arguments` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One model turn.

    `messages` are chat-completions messages without the system message:
    {role: user|assistant|tool, content, tool_calls?, tool_call_id?, reasoning_content?}.
    """

    endpoint: ModelEndpoint
    instructions: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[ToolDefinition] = ()
    temperature: float | None = None
    max_output_tokens: int | None = None
    parallel_tool_calls: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """A finished model turn. Text and reasoning were given to the sink already."""

    text: str
    reasoning: str
    tool_calls: Sequence[ToolCallRequest]
    input_tokens: int
    output_tokens: int
    finish_reason: str | None
    model: str


class ModelSink(Protocol):
    """Takes what a model says while it says it. Must not block."""

    def text(self, delta: str) -> None: ...

    def reasoning(self, delta: str) -> None: ...


class ModelPort(Protocol):
    """Answers one model turn.

    Raises ModelFailed (connection, 5xx, 429, cut in mid-stream, silence longer than timeout_s),
    ModelAuthFailed (401, 403), ModelRefusedContext (prompt too long) or ModelRequestRefused (other
    4xx). Cancelling the call closes the upstream request at once. Never retries: the caller does.
    """

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse: ...


class PriceBook(Protocol):
    """What tokens cost."""

    def cost_usd_micros(
        self, endpoint: ModelEndpoint, input_tokens: int, output_tokens: int
    ) -> int | None:
        """None when no price is known; never 0 for an unknown one."""


# The queue ---------------------------------------------------------------------------------------


class QueuePort(Protocol):
    """Hands jobs to workers."""

    def enqueue(self, job: str, *args: Any, queue: str) -> None:
        """Put one job on a queue. Raises QueueUnavailable when it cannot be taken."""


# Secrets -----------------------------------------------------------------------------------------


class Sealer(Protocol):
    """Makes content unreadable outside, for one owner."""

    def seal(self, value: Any) -> str:
        """JSON value → text that reveals nothing."""

    def open(self, sealed: str) -> Any:
        """The inverse. Raises KeyUnavailable (a LookupError) when the owner's key is gone."""


class KeyUnavailable(LookupError):
    """The data key that sealed this content does not exist any more, or cannot be unwrapped."""


class SealerSource(Protocol):
    """Finds the sealer of an owner."""

    def for_user(self, user_id: UUID) -> Sealer:
        """Makes the user's data key if there is none yet. Touches the database: once a run."""


# What lower storeys ask of higher ones -----------------------------------------------------


class Policy(Protocol):
    """Tier, feature and quota questions. An open default stands in until billing fills it."""

    def check_run_start(self, *, user_id: UUID, run_kind: str) -> None:
        """Raises QuotaSpent or NotAllowed when the user may not start such a run now."""


class Eraser(Protocol):
    """Destroys a user's data in one app."""

    def __call__(self, *, user_id: UUID) -> Mapping[str, int]:
        """Returns how many rows of which kind are gone."""
