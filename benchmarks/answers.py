"""What a client received, read after the clock has stopped."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any
from uuid import UUID

import orjson

from tests.modelserver.script import tokens


@dataclass(slots=True)
class Answer:
    """One stream. Times are of the machine's monotonic clock, in seconds."""

    began: float
    ended: float
    #: (when its last byte came, text), one for each frame that carried text.
    texts: list[tuple[float, str]] = field(default_factory=list)
    run_id: UUID | None = None
    #: Why this stream does not count; empty when all of it came, once and in order.
    fault: str = ""

    @property
    def first_s(self) -> float:
        return self.texts[0][0] - self.began

    def lateness_s(self) -> list[float]:
        """Of a clocked answer: how long each token was under way."""
        return [at - int(word) / 1e6 for at, text in self.texts for word in text.split()]


def answer_of(
    received: list[tuple[float, bytes]], *, began: float, model: str, is_direct: bool
) -> Answer:
    """Takes a chunked HTTP response with server-sent events apart and checks that it is whole.

    received: (when, bytes) as they came from the socket.
    """
    answer = Answer(began, received[-1][0] if received else began)
    try:
        _read(answer, received, is_direct)
        answer.fault = answer.fault or _fault(answer, model)
    except (ValueError, LookupError, TypeError) as error:
        answer.fault = f"unreadable: {error!r}"
    return answer


def _read(answer: Answer, received: list[tuple[float, bytes]], is_direct: bool) -> None:
    raw = b"".join(data for _, data in received)
    ends = list(accumulate(len(data) for _, data in received))
    head, _, _ = raw.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        answer.fault = raw[:300].decode(errors="replace")
        return
    last_id, is_complete = 0, False
    for end, event_id, data in _frames(raw, len(head) + 4):
        at = received[bisect_left(ends, end)][0]
        if is_direct:
            is_complete = is_complete or data == b"[DONE]"
            text = b"" if data == b"[DONE]" else _delta(orjson.loads(data))
        else:
            frame = orjson.loads(data)
            is_complete = is_complete or frame["type"] == "complete"
            if frame["type"] == "error" or frame["data"].get("status", "succeeded") != "succeeded":
                answer.fault = data.decode()
            text = frame["data"]["delta"] if frame["type"] == "text_delta" else ""
        if event_id:
            run, _, seq = event_id.decode().rpartition(":")
            answer.run_id = UUID(run)
            if int(seq) <= last_id:
                answer.fault = f"event {seq} after event {last_id}"
            last_id = int(seq)
        if text:
            answer.texts.append((at, text))
    if not is_complete:
        answer.fault = answer.fault or "no end"


def _frames(raw: bytes, at: int) -> list[tuple[int, bytes, bytes]]:
    """(offset of the frame's last byte + 1, id, data) of every event with data."""
    body, offsets = bytearray(), [(0, at)]
    while at < len(raw):
        line_end = raw.index(b"\r\n", at)
        size = int(raw[at:line_end], 16)
        if size == 0:
            break
        offsets.append((len(body), line_end + 2))
        body += raw[line_end + 2 : line_end + 2 + size]
        at = line_end + 2 + size + 2
    offsets.append((len(body) + 1, at))
    found, begin = [], 0
    plain = bytes(body).replace(b"\r\n\r\n", b"\n\n\n\n").replace(b"\r\n", b"\n\n")
    spans = iter(pairwise(offsets))
    (start, where), (stop, _) = next(spans)
    while (end := plain.find(b"\n\n", begin)) >= 0:
        while end >= stop:
            (start, where), (stop, _) = next(spans)
        members = dict(
            line.split(b": ", 1) for line in plain[begin:end].split(b"\n") if b": " in line
        )
        if data := members.get(b"data"):
            found.append((where + end - start, members.get(b"id", b""), data))
        begin = end + 2
    return found


def _delta(chunk: dict[str, Any]) -> str:
    return chunk["choices"][0]["delta"].get("content", "") if chunk["choices"] else ""


def _fault(answer: Answer, model: str) -> str:
    kind, _, rest = model.partition("-")
    count = int(rest.partition("x")[0])
    text = "".join(part for _, part in answer.texts)
    if kind == "bench":
        return "" if text == "".join(tokens(count)) else f"other text: {text[:200]!r}"
    times = [int(word) for word in text.split()]
    return "" if len(times) == count and times == sorted(times) else f"other tokens: {len(times)}"
