"""Server-sent events, line by line."""

from __future__ import annotations

import json

from taskmapr.client.errors import NotUnderstood
from taskmapr.client.results import StreamEvent


class SseReader:
    """Takes lines, gives events, and remembers where to resume.

    One thing that happened may be several frames, of which only the last has an id. They are given
    together, so that a cut between them repeats none.
    """

    def __init__(self) -> None:
        self.last_event_id = ""
        self.is_complete = False
        self._held: list[StreamEvent] = []
        self._data: list[str] = []
        self._id = ""

    def restart(self) -> None:
        """A new connection: what was cut in the middle comes again."""
        self._held.clear()
        self._data.clear()
        self._id = ""

    def feed(self, line: str) -> list[StreamEvent]:
        """The events that are whole with this line."""
        if line:
            self._field(line)
            return []
        text, self._data = "\n".join(self._data), []
        if not text:
            return []
        try:
            event = StreamEvent.of(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotUnderstood(f"an event of the stream: {type(error).__name__}") from error
        if event.type != "heartbeat":
            self._held.append(event)
        self.is_complete = self.is_complete or event.type == "complete"
        if not self._id and not self.is_complete:
            return []
        self.last_event_id, self._id = self._id or self.last_event_id, ""
        whole, self._held = self._held, []
        return whole

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
