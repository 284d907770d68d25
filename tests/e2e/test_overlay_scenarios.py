"""What the overlay's users see, with every process real."""

from __future__ import annotations

import pytest

from tests.e2e.sse import Stream
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


def assert_well_formed(stream: Stream) -> None:
    """Frames as every client may rely on them."""
    frames = stream.frames
    assert all(frame.body["event"] == frame.type for frame in frames)
    seqs = [frame.seq for frame in frames if frame.id is not None]
    assert seqs == sorted(set(seqs))
    assert [f.id for f in frames if f.id] == [f"{stream.run_id}:{seq}" for seq in seqs]
    assert stream.types[0] == "metadata"
    assert stream.types[-2:] == ["metadata", "complete"]


@pytest.mark.req("OV-16", "OV-17", "OV-62")
def test_a_bare_prompt_is_answered_by_the_stand_in(stack: Stack) -> None:
    stream = stack.ask("Hello", model="offline")
    stream.rest()
    assert stream.status == 200
    assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["Cache-Control"] == "no-cache, no-transform"
    assert stream.headers["X-Accel-Buffering"] == "no"
    assert_well_formed(stream)
    assert set(stream.types[1:-2]) == {"text_delta"}
    assert all(f.data["delta"] == f.data["text"] for f in stream.frames if f.type == "text_delta")
    last = stream.frames[-1].data
    assert last["status"] == "succeeded"
    assert last["sessionId"] == stream.session_id
    assert stream.session_id.startswith("taskmapr_")
