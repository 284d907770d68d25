from __future__ import annotations

import json

import pytest

from orchestration.carriages.sse import SseStream, sse_frame
from orchestration.dialects.base import Frame
from tests.recorded.logs import RUNS, frames_of, recorded


@pytest.mark.req("OV-17")
@pytest.mark.parametrize("name", sorted(RUNS))
def test_every_frame_is_one_data_line(name):
    events = recorded(name)
    frames = frames_of(events, "overlay", events[0].run_id)
    stream = SseStream()
    text = b"".join(stream.encode([frame]) for frame in frames).decode()

    first, *blocks = text.removesuffix("\n\n").split("\n\n")
    assert first.startswith("retry: 3000\n")
    blocks.insert(0, first.removeprefix("retry: 3000\n"))
    assert len(blocks) == len(frames)
    for block, frame in zip(blocks, frames, strict=True):
        *head, data = block.split("\n")
        assert head == ([f"id: {frame.id}"] if frame.id else [])
        assert data.startswith("data: {")
        assert json.loads(data.removeprefix("data: ")) == frame.data


@pytest.mark.req("OV-17")
def test_the_retry_line_is_sent_once_with_the_first_frame():
    stream = SseStream()

    assert stream.encode([]) == b""
    assert stream.encode([Frame({"a": 1}, "R:1"), Frame({"b": 2})]) == (
        b'retry: 3000\nid: R:1\ndata: {"a":1}\n\ndata: {"b":2}\n\n'
    )
    assert stream.encode([Frame({"c": 3})]) == b'data: {"c":3}\n\n'


@pytest.mark.req("OV-17")
@pytest.mark.parametrize("text", ["a\nb\r\nc", "\u2028", "\ud83d", "\0", "🗺️"])
def test_no_text_can_break_the_framing(text):
    sent = sse_frame(Frame({"text": text}))

    assert sent.count(b"\n") == 2
    assert b"\r" not in sent
    assert json.loads(sent[6:]) == {"text": text}
