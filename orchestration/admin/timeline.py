"""A run's log as operators read it: one entry per thing that happened. Pure.

Neighbouring deltas become one entry, a reasoning block one, a tool call and its result one. Behind
a veil, what people and models said is not here: content members are named, not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from orchestration.admin.json_text import TEXT_LENGTH, json_text
from orchestration.page.sensitive import redact_members
from taskmapr.core.events import CATALOGUE, REASONING_DELTA, TEXT_DELTA, Event
from taskmapr.foundation.figures import bytes_text, count_text, duration_text

#: Characters of a summary that are shown.
SUMMARY_LENGTH: Final = 160
#: Of a result, which a page shows whole elsewhere.
EXCERPT_LENGTH: Final = 80
SEALED: Final = "(sealed)"

_TONES: Final = {
    "succeeded": "good",
    "failed": "bad",
    "timed_out": "bad",
    "cancelled": "wait",
}


@dataclass(slots=True)
class Entry:
    """One line of the timeline. `seq` is that of its first event and names the entry for good."""

    seq: int
    kind: str
    at: datetime
    #: Since the run was created, in words.
    offset: str
    data: dict[str, Any]
    folded: int = 1
    last_seq: int = 0

    @property
    def summary(self) -> str:
        text = _SUMMARIES[self.kind](_Words(self.data)) if self.kind in _SUMMARIES else ""
        flat = " ".join(text.split())
        return flat if len(flat) <= SUMMARY_LENGTH else f"{flat[:SUMMARY_LENGTH]}…"

    @property
    def tone(self) -> str:
        if self.kind == "run.finished":
            return _TONES.get(self.data.get("status", ""), "")
        if self.kind == "tool.completed":
            return "" if self.data.get("ok") else "bad"
        if self.kind in {"error", "tool.crashed"}:
            return "bad"
        return "wait" if self.kind in {"approval.requested", "run.paused", "run.retrying"} else ""

    @property
    def meaning(self) -> str:
        known = CATALOGUE.get(self.kind)
        return known.meaning if known else "An event of a version that this one does not know."

    @property
    def detail(self) -> str:
        return json_text(redact_members(self.data), most=TEXT_LENGTH)

    @property
    def code_id(self) -> str:
        return f"event-{self.seq}-data"


@dataclass(slots=True)
class Timeline:
    """Collects events in order. Feeding in pieces gives the same entries as feeding at once."""

    #: Stands in the place of content: sealed runs, and readers who may not read what was said.
    veil: str
    #: When the run was created.
    began_at: datetime
    entries: list[Entry] = field(default_factory=list)
    _open_calls: dict[str, Entry] = field(default_factory=dict)

    def feed_all(self, events: Iterable[Event]) -> list[Entry]:
        """The entries that these events made or changed, each once, in order."""
        touched = {entry.seq: entry for entry in map(self.feed, events)}
        return [touched[seq] for seq in sorted(touched)]

    def feed(self, event: Event) -> Entry:
        entry = self._joined(event) or self._added(event)
        entry.last_seq = event.seq
        return entry

    def _added(self, event: Event) -> Entry:
        milliseconds = max(0, int((event.at - self.began_at).total_seconds() * 1000))
        entry = Entry(
            seq=event.seq,
            kind=event.kind,
            at=event.at,
            offset=duration_text(milliseconds),
            data=self._data(event),
        )
        self.entries.append(entry)
        if event.kind == "tool.started":
            self._open_calls[event.data["call_id"]] = entry
        return entry

    def _joined(self, event: Event) -> Entry | None:
        """The entry that this event belongs to, with the event in it; None if it begins one."""
        if event.kind == "tool.completed":
            return self._tool_completed(event)
        last = self.entries[-1] if self.entries else None
        if last is None or not _goes_on(last.kind, event.kind):
            return None
        if event.kind in {TEXT_DELTA, REASONING_DELTA}:
            last.data["text"] = self._longer(last.data.get("text", ""), self._data(event)["text"])
        last.kind = event.kind
        last.folded += 1
        return last

    def _tool_completed(self, event: Event) -> Entry | None:
        entry = self._open_calls.pop(event.data["call_id"], None)
        if entry is None:
            return None
        entry.kind = event.kind
        entry.data |= self._data(event)
        entry.folded += 1
        return entry

    def _longer(self, text: str, more: str) -> str:
        return text if self.veil and text else text + more

    def _data(self, event: Event) -> dict[str, Any]:
        if not self.veil:
            return dict(event.data)
        if event.kind not in CATALOGUE:
            # Nobody knows which of its members are content.
            return dict.fromkeys(event.data, self.veil)
        hidden = dict.fromkeys(sorted(CATALOGUE[event.kind].content_fields), self.veil)
        return {**event.data, **hidden}


_REASONING: Final = {"reasoning.started", REASONING_DELTA}


def _goes_on(before: str, after: str) -> bool:
    if after == TEXT_DELTA:
        return before == TEXT_DELTA
    return before in _REASONING and after in {REASONING_DELTA, "reasoning.completed"}


class _Words:
    """A payload whose missing members read as nothing."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, name: str) -> Any:
        value = self._data.get(name)
        return "" if value is None else value

    def number(self, name: str) -> int:
        value = self._data.get(name)
        return value if isinstance(value, int) else 0

    def items(self, name: str) -> list[Any]:
        value = self._data.get(name)
        return value if isinstance(value, list) else []


def _created(d: _Words) -> str:
    page = d["page"]
    where = f" on {page['pathname']}" if isinstance(page, dict) and page.get("pathname") else ""
    if d["subject"]:
        how = f" by {d['mode']}: {d['mode_reason']}" if d["mode"] else ""
        return f"{d['run_kind']} {d['subject']}{how}"
    return f"{d['run_kind']} run for {d['model'] or 'the default model'}{where}"


def _retrying(d: _Words) -> str:
    if not d["error"] and not d["delay_s"]:
        return f"attempt {d['attempt']} was lost: {d['reason']}"
    after = f" in {duration_text(round(1000 * float(d['delay_s'] or 0)))}"
    why = f"{d['reason']}: {d['error']}" if d["error"] else d["reason"]
    return f"attempt {d['attempt']}{after}, after {why}"


def _excerpt(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= EXCERPT_LENGTH else f"{text[:EXCERPT_LENGTH]}…"


def _responded(d: _Words) -> str:
    said = f"step {d['step']} by {d['model']} in {duration_text(d.number('duration_ms'))}"
    tokens = f"{count_text(d.number('input_tokens'))} in, {count_text(d.number('output_tokens'))}"
    calls = d.items("calls")
    asked = f", asked for {len(calls)} tool call{'s' * (len(calls) != 1)}" if calls else ""
    return f"{said}: {tokens} out{asked}"


def _finished(d: _Words) -> str:
    reason = f": {d['reason']}" if d["reason"] else ""
    words = str(d["status"]).replace("_", " ")
    return f"{words} after {duration_text(d.number('duration_ms'))}{reason}"


def _tool_completed(d: _Words) -> str:
    how = "ok" if d["ok"] else "failed"
    replayed = ", answered from its receipt" if d["replayed"] else ""
    why = f": {d['error']}" if d["error"] and not d["ok"] else ""
    return f"{d['tool']} {how} in {duration_text(d.number('duration_ms'))}{replayed}{why}"


def _actions(d: _Words) -> str:
    kinds = [str(a.get("type", "")) for a in d.items("actions") if isinstance(a, dict)]
    return ", ".join(kinds) or str(d["actions"])


def _asked(d: _Words) -> str:
    if d["step"]:
        return f"waits for a task of type {d['tool']}"
    about = f" about {d['tool']}" if d["tool"] else ""
    return f"{d['asks']}{about}: {d['prompt']}" if d["prompt"] else f"{d['asks']}{about}"


_SUMMARIES: Final[dict[str, Callable[[_Words], str]]] = {
    "run.created": _created,
    "run.started": lambda d: f"attempt {d['attempt']} on {d['worker']}",
    "run.retrying": _retrying,
    "result": lambda d: _excerpt(d["value"]),
    "effect.begun": lambda d: f"{d['what']} is about to change the outside world",
    "run.paused": lambda d: f"waits for {len(d.items('approval_ids'))} answer(s)",
    "run.resumed": lambda d: f"goes on after the word of {d['by']}",
    "run.finished": _finished,
    "error": lambda d: f"{d['code']}: {d['message']}",
    "metadata": lambda d: f"totals for {d['model']}" if d["model"] else "totals",
    TEXT_DELTA: lambda d: str(d["text"]),
    "reasoning.started": lambda d: "thinking",
    REASONING_DELTA: lambda d: str(d["text"]),
    "reasoning.completed": lambda d: str(d["text"]) or "thought",
    "model.responded": _responded,
    "tool.started": lambda d: f"{d['tool']} is running",
    "tool.completed": _tool_completed,
    "tool.crashed": lambda d: f"{d['tool']} raised {d['exception']}",
    "ui.actions": _actions,
    "approval.requested": _asked,
    "approval.resolved": lambda d: f"{str(d['decision']).replace('_', ' ')} by {d['by']}",
    "command.received": lambda d: f"{d['command']} from {d['by']}",
    "progress": lambda d: f"{round(100 * float(d['fraction'] or 0))} % {d['text']}",
    "log": lambda d: f"{d['level']}: {d['text']}",
    "artifact": lambda d: f"{d['name']} ({d['media_type']}, {bytes_text(d.number('size_bytes'))})",
}
