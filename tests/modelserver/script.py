"""What a scripted model answers, and the bytes of that answer.

An answer is written as JSON (see `Answer`) or as a model name of a small language:

    bench-64x20      64 tokens, one every 20 ms            text-5     5 tokens at once
    clock-64x20      the same, each the time of its sending (monotonic, in microseconds)
    echo             "Echo: <the last user message>"       whole      one JSON body, no stream
    think            reasoning, then text                  refuse     a refusal
    status-429       that HTTP status (401, 404, 500 ...)  slow-300   300 ms before the first byte
    silent-2         2 tokens, then silence                cut-3      3 tokens, then the line drops
    held-2           2 tokens, 2 more when released        unreported text without usage
    held-2x5         2 tokens, then 4 times 2 more, each when released once more
    odd-2            2 tokens, an unreadable chunk, 2 more
    pause-2x40       2 tokens, 40 s of silence, 2 more
    tool-ui_navigate calls that tool once, then says "Done."

Any other name echoes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import orjson

from tests.modelserver.http import (
    HELD,
    LAST_CHUNK,
    STREAM_HEAD,
    Ending,
    Gate,
    Payload,
    Reply,
    chunk,
    json_reply,
)

_WORDS = ("Here ", "is ", "what ", "I ", "found ", "on ", "this ", "page. ")
_ODD_FRAME = b"data: {this is not JSON\n\n"
_DONE_FRAME = b"data: [DONE]\n\n"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One scripted answer. Texts given as a list are sent as those pieces."""

    text: str | Sequence[str] = ()
    #: This many tokens follow, each the time of its sending.
    clocked: int = 0
    reasoning: str | Sequence[str] = ()
    refusal: str = ""
    #: Items {name, arguments (object or text), id?, index?}.
    tool_calls: Sequence[Mapping[str, Any]] = ()
    #: Send the arguments of tool calls in pieces of this many characters; 0 = whole.
    fragment: int = 0
    delay_ms: float = 0
    first_byte_ms: float = 0
    #: Deltas after which the connection drops, nothing more comes, or an unreadable chunk comes.
    cut_after: int | None = None
    silent_after: int | None = None
    odd_after: int | None = None
    #: This many seconds of silence after so many deltas; then the answer goes on.
    pause_after: int | None = None
    pause_s: float = 0
    #: After so many deltas in all, in order, the answer waits until the model is released (once
    #: more). At 0 not even the head of the answer is sent before.
    held_after: Sequence[int] = ()
    #: Anything but 200 answers with an error body made of `error`.
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    retry_after: str = ""
    #: An {"error": ...} chunk ends the stream.
    error_in_stream: Mapping[str, Any] | None = None
    whole: bool = False
    #: (input tokens, output tokens), None = not reported.
    usage: Sequence[int] | None = (11, 7)
    finish_reason: str | None = None
    #: Parameters that are refused with a 400 naming them, as long as a request carries them.
    refuse_parameters: Sequence[str] = ()

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Answer:
        known = {f.name for f in fields(cls)}
        if unknown := set(value) - known:
            raise ValueError(f"unknown members of a scripted answer: {sorted(unknown)}")
        return cls(**value)

    @property
    def finish(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")


@lru_cache(maxsize=256)
def tokens(count: int) -> tuple[str, ...]:
    return tuple(_WORDS[i % len(_WORDS)] for i in range(count))


def answer_named(model: str, prompt: str, *, has_tool_result: bool) -> Answer:
    """The answer that a model name asks for."""
    kind, _, rest = model.partition("-")
    if kind == "tool":
        call = {"name": rest, "arguments": {}}
        return Answer(text="Done.") if has_tool_result else Answer(tool_calls=[call])
    make = _BY_KIND.get(kind)
    return make(rest) if make else Answer(text=f"Echo: {prompt}")


def _bench(rest: str) -> Answer:
    count, _, delay = rest.partition("x")
    return Answer(text=tokens(int(count)), delay_ms=float(delay or 0))


def _clock(rest: str) -> Answer:
    count, _, delay = rest.partition("x")
    return Answer(clocked=int(count), delay_ms=float(delay or 0))


def _pause(rest: str) -> Answer:
    count, _, seconds = rest.partition("x")
    after = int(count)
    return Answer(text=tokens(2 * after), pause_after=after, pause_s=float(seconds or 0))


def _held(rest: str) -> Answer:
    portion, _, count = rest.partition("x")
    size, whole = int(portion), int(portion) * int(count or 2)
    return Answer(text=tokens(whole), held_after=range(size, whole, size))


_BY_KIND: dict[str, Callable[[str], Answer]] = {
    "bench": _bench,
    "clock": _clock,
    "text": lambda n: Answer(text=tokens(int(n))),
    "status": lambda n: Answer(status=int(n), error={"message": "scripted", "code": "scripted"}),
    "slow": lambda ms: Answer(text="At last.", first_byte_ms=float(ms)),
    "silent": lambda n: Answer(text=tokens(int(n) + 4), silent_after=int(n)),
    "cut": lambda n: Answer(text=tokens(int(n) + 4), cut_after=int(n)),
    "pause": _pause,
    "held": _held,
    "odd": lambda n: Answer(text=tokens(int(n) + 2), odd_after=int(n)),
    "think": lambda _: Answer(reasoning=["Let me ", "see."], text=["It is ", "so."]),
    "refuse": lambda _: Answer(refusal="I cannot help with that."),
    "whole": lambda _: Answer(text="All at once.", whole=True),
    "unreported": lambda _: Answer(text="Uncounted.", usage=None),
}


def reply_for(
    answer: Answer, model: str, *, stream: bool, parameters: Sequence[str], gate: Gate
) -> Reply:
    """The bytes of an answer to a request that carried these parameters; what is held waits for
    the gate."""
    if refused := [name for name in answer.refuse_parameters if name in parameters]:
        text = f"Unsupported parameter: '{refused[0]}' is not supported with this model."
        error = {"message": text, "param": refused[0], "code": "unsupported_parameter"}
        return json_reply({"error": error}, 400)
    if answer.status != 200:
        headers = {"Retry-After": answer.retry_after} if answer.retry_after else {}
        return json_reply({"error": dict(answer.error)}, answer.status, headers)
    if answer.whole or not stream:
        return json_reply(_whole(answer, model))
    return _streamed(answer, model, gate)


def _whole(answer: Answer, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.text) or None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.refusal:
        message["refusal"] = answer.refusal
    if answer.tool_calls:
        message["tool_calls"] = [_call(i, call) for i, call in enumerate(answer.tool_calls)]
    choice = {"index": 0, "message": message, "finish_reason": answer.finish}
    return {"id": "scripted", "model": model, "choices": [choice], **_usage(answer)}


def _streamed(answer: Answer, model: str, gate: Gate) -> Reply:
    deltas = [*_deltas(answer, model), *[_clocked_frame(model)] * answer.clocked]
    frames: list[tuple[float, Payload]] = [
        (answer.delay_ms / 1000 if i else 0.0, delta) for i, delta in enumerate(deltas)
    ]
    if answer.pause_after is not None and answer.pause_after < len(frames):
        frames[answer.pause_after] = (answer.pause_s, frames[answer.pause_after][1])
    for after in reversed(answer.held_after):
        frames.insert(after, (HELD, b"" if after else STREAM_HEAD))
    ending = Ending.KEEP
    if answer.cut_after is not None:
        frames, ending = frames[: answer.cut_after], Ending.CUT
    elif answer.silent_after is not None:
        frames, ending = frames[: answer.silent_after], Ending.HANG
    else:
        frames.append((0.0, _tail(answer, model)))
    if answer.odd_after is not None:
        frames.insert(answer.odd_after, (0.0, chunk(_ODD_FRAME)))
    if answer.first_byte_ms and frames:
        # The head waits too: a slow model's server sends nothing at all before its first token.
        frames = [(answer.first_byte_ms / 1000, STREAM_HEAD + frames[0][1]), *frames[1:]]
        return Reply(b"", frames, ending, gate)
    head = b"" if 0 in answer.held_after else STREAM_HEAD
    return Reply(head, frames, ending, gate)


def _deltas(answer: Answer, model: str) -> Sequence[bytes]:
    pieces = answer.text if not isinstance(answer.text, str) else [answer.text] * bool(answer.text)
    if not (answer.reasoning or answer.refusal or answer.tool_calls):
        return _text_frames(tuple(pieces), model)
    thoughts = [answer.reasoning] if isinstance(answer.reasoning, str) else answer.reasoning
    deltas: list[dict[str, Any]] = [{"reasoning_content": t} for t in thoughts if t]
    deltas += [{"content": text} for text in pieces]
    deltas += [{"refusal": answer.refusal}] if answer.refusal else []
    for index, call in enumerate(answer.tool_calls):
        deltas += _call_deltas(index, call, answer.fragment)
    return [_frame(delta, model) for delta in deltas]


@lru_cache(maxsize=256)
def _text_frames(pieces: tuple[str, ...], model: str) -> tuple[bytes, ...]:
    return tuple(_frame({"content": text}, model) for text in pieces)


#: Stands for a time in the frame that is made ahead; as long as one.
_MARK = "0" * 16


@lru_cache(maxsize=256)
def _clocked_frame(model: str) -> Callable[[], bytes]:
    before, _, after = _frame({"content": f"{_MARK} "}, model).partition(_MARK.encode())
    return lambda: b"%b%016d%b" % (before, time.monotonic_ns() // 1000, after)


def _call(index: int, call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    made = {"type": "function", "function": {"name": call["name"], "arguments": text}}
    call_id = call.get("id", f"call_{index}")
    return {**({"id": call_id} if call_id else {}), **made}


def _call_deltas(index: int, call: Mapping[str, Any], size: int) -> list[dict[str, Any]]:
    whole = {"index": call.get("index", index), **_call(index, call)}
    if not size:
        return [{"tool_calls": [whole]}]
    text = whole["function"]["arguments"]
    head = {**whole, "function": {"name": whole["function"]["name"], "arguments": ""}}
    rest = [
        {"index": whole["index"], "function": {"arguments": text[at : at + size]}}
        for at in range(0, len(text), size)
    ]
    return [{"tool_calls": [part]} for part in (head, *rest)]


def _frame(delta: Mapping[str, Any], model: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "scripted", "object": "chat.completion.chunk", "model": model}
    return chunk(b"data: " + orjson.dumps({**body, "choices": [choice]}) + b"\n\n")


def _tail(answer: Answer, model: str) -> bytes:
    if answer.error_in_stream is not None:
        failure = orjson.dumps({"error": dict(answer.error_in_stream)})
        return chunk(b"data: " + failure + b"\n\n") + LAST_CHUNK
    last = _frame({}, model, answer.finish)
    if answer.usage is not None:
        body = {"id": "scripted", "model": model, "choices": [], **_usage(answer)}
        last += chunk(b"data: " + orjson.dumps(body) + b"\n\n")
    return last + chunk(_DONE_FRAME) + LAST_CHUNK


def _usage(answer: Answer) -> dict[str, Any]:
    if answer.usage is None:
        return {}
    asked, said = answer.usage
    counts = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    return {"usage": counts}
