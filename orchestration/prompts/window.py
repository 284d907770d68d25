"""Keeps what a model is told within what it can take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestration.prompts.overlay import Part
from taskmapr.core.ports import ModelEndpoint, ModelRequest

#: Bytes of text that make one token, about: less in other languages than English, never much less.
BYTES_PER_TOKEN: Final = 4
#: Tokens around each message.
_FRAME: Final = 4
#: The part of a window that is used: the rest is for what the estimate got wrong.
_USED: Final = 0.9
#: Tokens left free for the answer when nobody says how long it may be.
_ANSWER: Final = 1_024

#: In the order in which they go; the conversation is shortened between the two.
_PREVIEWS: Final[tuple[Part, ...]] = ("previews",)
_PREVIEWS_AND_ELEMENTS: Final[tuple[Part, ...]] = ("previews", "elements")

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a model was not told for want of room."""

    model: str
    #: Of the earlier messages of the conversation.
    messages: int
    elements: bool

    def __str__(self) -> str:
        what = ["text previews"]
        if self.messages:
            what.append(f"{self.messages} earlier messages")
        if self.elements:
            what.append("the lines of elements")
        return f"Left out for the context window of {self.model}: {', '.join(what)}."


class ContextWindow:
    """The context of one run, made smaller where a model's window asks for it.

    Text previews go first, then earlier exchanges, the oldest first and each as a whole, so that
    no tool call loses its result, then the lines of elements. The prompt always stays, and so does
    what the run itself has said and done.
    """

    def __init__(
        self,
        *,
        compose: Callable[[Collection[Part]], str],
        earlier: int,
        window_of: Callable[[ModelEndpoint], int | None],
        on_left_out: Callable[[ModelRequest, LeftOut], None],
    ) -> None:
        """earlier: how many messages at the beginning of each request come before the prompt.
        window_of: the context window of a model in tokens, None when it is not known."""
        self._compose = compose
        self._earlier = earlier
        self._window_of = window_of
        self._on_left_out = on_left_out
        #: Learned from refusals, by model.
        self._limits: dict[str, int] = {}

    def fitted(self, request: ModelRequest) -> ModelRequest:
        """The request as its endpoint can take it; as it is while the window is not known."""
        limit = self._limit(request)
        if limit is None or tokens_of_request(request) <= limit:
            return request
        return self._told(*self._reduced(request, limit))

    def smaller(self, request: ModelRequest, refused: ModelRequest) -> ModelRequest | None:
        """The request at half the size that was refused; None when nothing more can go.

        refused: what `fitted` made of the request. Later turns keep to the smaller size.
        """
        limit = tokens_of_request(refused) // 2
        reduced, left_out = self._reduced(request, limit)
        if tokens_of_request(reduced) >= tokens_of_request(refused):
            return None
        self._limits[request.endpoint.model] = limit
        return self._told(reduced, left_out)

    def _told(self, reduced: ModelRequest, left_out: LeftOut) -> ModelRequest:
        self._on_left_out(reduced, left_out)
        return reduced

    def _limit(self, request: ModelRequest) -> int | None:
        endpoint = request.endpoint
        if endpoint.model in self._limits:
            return self._limits[endpoint.model]
        window = self._window_of(endpoint)
        if window is None:
            return None
        answer = request.max_output_tokens or endpoint.max_output_tokens or _ANSWER
        return int(window * _USED) - min(answer, window // 2)

    def _reduced(self, request: ModelRequest, limit: int) -> tuple[ModelRequest, LeftOut]:
        earlier, rest = request.messages[: self._earlier], request.messages[self._earlier :]
        instructions = self._compose(_PREVIEWS)
        bare = replace(request, instructions=instructions, messages=rest)
        kept = _latest(earlier, limit - tokens_of_request(bare))
        has_elements = bool(kept) or tokens_of_request(bare) <= limit
        if not has_elements:
            instructions = self._compose(_PREVIEWS_AND_ELEMENTS)
        reduced = replace(request, instructions=instructions, messages=[*kept, *rest])
        return reduced, LeftOut(
            model=request.endpoint.model,
            messages=len(earlier) - len(kept),
            elements=not has_elements,
        )


def _latest(earlier: Sequence[Message], room: int) -> list[Message]:
    """The latest exchanges that fit into so many tokens. An exchange begins with a question."""
    kept: list[Message] = []
    for exchange in reversed(_exchanges(earlier)):
        room -= sum(map(_tokens_of_message, exchange))
        if room < 0:
            break
        kept[:0] = exchange
    return kept


def _exchanges(messages: Sequence[Message]) -> list[list[Message]]:
    exchanges: list[list[Message]] = []
    for message in messages:
        if message["role"] == "user" or not exchanges:
            exchanges.append([])
        exchanges[-1].append(message)
    return exchanges


# Estimates: they cost microseconds, and refusals correct them --------------------------------


def tokens_of_request(request: ModelRequest) -> int:
    """About how many tokens a model reads for this request."""
    tools = sum(
        _tokens_of_text(tool.summary) + len(str(tool.input_schema)) // BYTES_PER_TOKEN
        for tool in request.tools
    )
    said = sum(map(_tokens_of_message, request.messages))
    return _tokens_of_text(request.instructions) + tools + said


def _tokens_of_message(message: Message) -> int:
    calls = message.get("tool_calls")
    content = _tokens_of_text(message.get("content") or "")
    return _FRAME + content + (len(str(calls)) // BYTES_PER_TOKEN if calls else 0)


def _tokens_of_text(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode(errors="replace"))
    return size // BYTES_PER_TOKEN + 1
