"""A log as operators read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from orchestration.admin.timeline import SEALED, Entry, Timeline
from taskmapr.core import events as ev
from taskmapr.core.events import CATALOGUE, Event, data_of, kind_of

BEGAN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
RUN = UUID("019b8d0a-0000-7000-8000-000000000001")
RECORDED = sorted((Path(__file__).parents[2] / "recorded").glob("*.jsonl"))


def log(*payloads: object) -> list[Event]:
    return [
        Event(RUN, seq, kind_of(p).name, data_of(p), BEGAN + timedelta(milliseconds=100 * seq))
        for seq, p in enumerate(payloads, 1)
    ]


def entries(events: list[Event], *, is_sealed: bool = False) -> list[Entry]:
    timeline = Timeline(veil="(sealed)" if is_sealed else "", began_at=BEGAN)
    timeline.feed_all(events)
    return timeline.entries


def recorded(path: Path) -> list[Event]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Event(RUN, row["seq"], row["kind"], row["data"], datetime.fromisoformat(row["at"]))
        for row in rows
    ]


def test_neighbouring_text_is_one_entry() -> None:
    said = entries(log(ev.TextDelta(text="One "), ev.TextDelta(text="task.")))

    assert [(e.seq, e.kind, e.folded, e.summary) for e in said] == [
        (1, "text.delta", 2, "One task.")
    ]


def test_text_on_both_sides_of_a_tool_call_stays_apart() -> None:
    said = entries(
        log(
            ev.TextDelta(text="Let me look."),
            ev.ToolStarted(call_id="c1", tool="ui.highlight"),
            ev.ToolCompleted(call_id="c1", tool="ui.highlight", ok=True, duration_ms=12),
            ev.TextDelta(text="There."),
        )
    )

    assert [e.summary for e in said] == ["Let me look.", "ui.highlight ok in 12 ms", "There."]


def test_a_reasoning_block_is_one_entry() -> None:
    said = entries(
        log(
            ev.ReasoningStarted(),
            ev.ReasoningDelta(text="They want "),
            ev.ReasoningDelta(text="tags."),
            ev.ReasoningCompleted(),
            ev.ReasoningStarted(),
        )
    )

    assert [(e.kind, e.folded, e.summary) for e in said] == [
        ("reasoning.completed", 4, "They want tags."),
        ("reasoning.started", 1, "thinking"),
    ]


def test_calls_are_paired_by_id_however_they_interleave() -> None:
    said = entries(
        log(
            ev.ToolStarted(call_id="c1", tool="ui.navigate", args={"path": "/tags"}),
            ev.ToolStarted(call_id="c2", tool="ui.highlight"),
            ev.ToolCompleted(
                call_id="c2", tool="ui.highlight", ok=False, duration_ms=5, error="no such id"
            ),
            ev.ToolCompleted(call_id="c1", tool="ui.navigate", ok=True, duration_ms=1500),
        )
    )

    assert [(e.seq, e.last_seq, e.summary, e.tone) for e in said] == [
        (1, 4, "ui.navigate ok in 1.5 s", ""),
        (2, 3, "ui.highlight failed in 5 ms: no such id", "bad"),
    ]
    assert json.loads(said[0].detail)["args"] == {"path": "/tags"}


def test_secrets_among_arguments_are_redacted() -> None:
    (call,) = entries(log(ev.ToolStarted(call_id="c1", tool="a.b", args={"password": "hunter2"})))

    assert "hunter2" not in call.detail
    assert json.loads(call.detail)["args"] == {"password": "[redacted]"}


@pytest.mark.req("OV-06")
def test_what_was_said_in_a_sealed_run_is_named_and_not_shown() -> None:
    said = entries(
        log(
            ev.TextDelta(text="private words"),
            ev.ToolStarted(call_id="c1", tool="device.run", args={"command": "private"}),
            ev.ToolCompleted(
                call_id="c1", tool="device.run", ok=False, duration_ms=3, error="private failure"
            ),
            ev.ApprovalRequested(
                approval_id="a1", asks="question", expires_at="2026", prompt="private question"
            ),
        ),
        is_sealed=True,
    )

    assert not any("private" in e.summary + e.detail for e in said)
    assert json.loads(said[0].detail) == {"text": SEALED}
    assert said[1].summary == f"device.run failed in 3 ms: {SEALED}"


def test_long_payloads_are_cut_and_say_by_how_much() -> None:
    (said,) = entries(log(ev.TextDelta(text="x" * 20_000)))

    assert len(said.detail) < 16_100
    assert said.detail.endswith("more characters")
    assert len(said.summary) == 161


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_runs_read_the_same_in_pieces_and_at_once(path: Path) -> None:
    events = recorded(path)
    pieces = Timeline(veil="", began_at=BEGAN)

    for event in events:
        pieces.feed(event)

    assert pieces.entries == entries(events)
    assert sum(e.folded for e in pieces.entries) == len(events)
    assert all(e.summary for e in pieces.entries)


def test_every_kind_of_the_catalogue_has_words_for_an_operator() -> None:
    for name in CATALOGUE:
        entry = Entry(seq=1, kind=name, at=BEGAN, offset="0 ms", data={})
        assert isinstance(entry.summary, str)
        assert entry.meaning == CATALOGUE[name].meaning


def test_a_kind_of_a_newer_version_is_shown_as_it_is() -> None:
    (entry,) = entries([Event(RUN, 1, "moon.landed", {"crew": 3}, BEGAN)])

    assert (entry.kind, json.loads(entry.detail)) == ("moon.landed", {"crew": 3})
