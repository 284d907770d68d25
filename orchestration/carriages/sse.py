"""Frames as server-sent events: one `data:` line each and no `event:` field.

So a plain `EventSource` gets every frame through `onmessage`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orchestration.dialects.base import Frame
from orchestration.dialects.compact_json import compact_json

CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"
#: How long a browser waits before it connects again, in milliseconds.
RETRY_LINE: Final = b"retry: 3000\n"


def sse_frame(frame: Frame) -> bytes:
    """One frame."""
    if frame.id is None:
        return b"data: %b\n\n" % compact_json(frame.data)
    return b"id: %b\ndata: %b\n\n" % (frame.id.encode(), compact_json(frame.data))


class SseStream:
    """The bytes of one stream. The first frame begins with a `retry:` line."""

    def __init__(self) -> None:
        self._begun = False

    def encode(self, frames: Iterable[Frame]) -> bytes:
        """The frames as bytes; empty when there are none."""
        body = b"".join([sse_frame(frame) for frame in frames])
        if self._begun or not body:
            return body
        self._begun = True
        return RETRY_LINE + body
