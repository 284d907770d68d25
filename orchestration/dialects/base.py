"""What every dialect is: a pure projection of a run's events into the frames of one vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from taskmapr.core.errors import TaskMaprError
from taskmapr.core.events import Event


@dataclass(slots=True)
class Frame:
    """One message of a vocabulary.

    `data` is JSON. `id` is `<run_id>:<seq>` when a reader that has this frame needs nothing before
    it; when one event gives several frames, only the last carries the id.
    """

    data: dict[str, Any]
    id: str | None = None


def usage_of(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


class Dialect(Protocol):
    """Turns events into frames, in order, with a small state of its own.

    The same events give the same frames, without a request or a user. Kinds that the vocabulary
    cannot express give no frame.
    """

    def open(self) -> list[Frame]:
        """Frames that precede the first event."""
        ...

    def prime(self, events: Iterable[Event]) -> None:
        """Take events that the reader has seen already; the next ones continue from them."""
        ...

    def feed(self, event: Event) -> list[Frame]:
        """The frames of one event, possibly none."""
        ...

    def heartbeat(self, at: datetime) -> Frame | None:
        """A frame that says only: still here. None when the vocabulary has none."""
        ...

    def close(self, problem: TaskMaprError | None = None) -> list[Frame]:
        """Frames after the last event.

        Nothing after a finished run. Otherwise what is open (reasoning, tool calls) is closed, and
        with a `problem` the stream is brought to a well-formed failed end. A reader who may come
        back and resume is simply cut off instead: then this is not called.
        """
        ...


class PrimedDialect:
    """The `prime` of dialects whose state comes from `feed` alone."""

    def prime(self, events: Iterable[Event]) -> None:
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> list[Frame]:
        raise NotImplementedError
