from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orchestration.dialects.overlay import OverlayDialect
from taskmapr.core import events as ev
from taskmapr.core.errors import ModelFailed, TimedOut
from taskmapr.core.ids import uuid7
from tests.dialects.overlay_rules import check
from tests.recorded.logs import RUNS, created, frames_of, numbered, recorded

RUN = uuid7()


def frames(*payloads, run_id=RUN):
    return frames_of(numbered(payloads, run_id), "overlay", run_id)


def data_of(kind: str, *payloads) -> list[dict]:
    return [frame.data["data"] for frame in frames(*payloads) if frame.data["type"] == kind]


@pytest.mark.req("OV-19")
@pytest.mark.parametrize("name", sorted(RUNS))
def test_recorded_runs_obey_the_order(name):
    events = recorded(name)

    check(frames_of(events, "overlay", events[0].run_id), ended=True)


@pytest.mark.req("OV-19", "OV-18")
@pytest.mark.parametrize("name", sorted(RUNS))
@pytest.mark.parametrize("problem", [None, ModelFailed(), TimedOut()])
def test_a_cut_anywhere_closes_well_formed(name, problem):
    events = recorded(name)
    for cut in range(1, len(events) + 1):
        dialect = OverlayDialect(events[0].run_id)
        sent = [frame for event in events[:cut] for frame in dialect.feed(event)]
        closing = dialect.close(problem)

        assert all(frame.id is None and frame.data["seq"] is None for frame in closing)
        assert (closing == []) or cut < len(events)
        finished = cut == len(events)
        totals_sent = any(event.kind == "metadata" for event in events[:cut])
        if problem is not None and not totals_sent:
            check(sent + closing, ended=True)
        elif not finished:
            check(sent + closing, ended=False)
        assert dialect.close(problem) == []


@pytest.mark.req("OV-18")
def test_a_cut_before_the_first_event_still_ends():
    dialect = OverlayDialect(RUN)
    closing = dialect.close(ModelFailed())

    assert [frame.data["type"] for frame in closing] == ["error", "metadata", "complete"]
    assert closing[-1].data["data"]["status"] == "failed"


@pytest.mark.req("OV-18")
def test_a_timed_out_end_says_so():
    dialect = OverlayDialect(RUN)

    assert dialect.close(TimedOut())[-1].data["data"]["status"] == "timed_out"


@pytest.mark.req("OV-22")
def test_only_the_last_frame_of_an_event_has_the_id():
    log = numbered([created(), ev.RunFinished(status="cancelled", duration_ms=5)], RUN)
    sent = frames_of(log, "overlay", RUN)

    assert [(f.data["type"], f.id) for f in sent] == [
        ("metadata", f"{RUN}:1"),
        ("metadata", None),
        ("complete", f"{RUN}:2"),
    ]
    assert [f.data["seq"] for f in sent] == [1, 2, 2]


@pytest.mark.req("OV-18")
def test_secrets_in_arguments_are_not_shown():
    started = ev.ToolStarted(
        call_id="c",
        tool="mcp.login",
        args={"user": "ada", "password": "p", "max_tokens": 5, "deep": [{"apiKey": "k"}]},
    )
    (data,) = data_of("tool_call_started", created(), ev.RunStarted(attempt=1, worker="w"), started)

    assert data["args"] == {
        "user": "ada",
        "password": "[redacted]",
        "max_tokens": 5,
        "deep": [{"apiKey": "[redacted]"}],
    }


@pytest.mark.req("OV-18")
def test_results_are_cut_to_their_sizes():
    big = {"text": "ü" * 20_000}
    payloads = (
        created(),
        ev.RunStarted(attempt=1, worker="w"),
        ev.ToolStarted(call_id="c", tool="k.read"),
        ev.ToolCompleted(call_id="c", tool="k.read", ok=True, duration_ms=1, result=big),
        ev.RunFinished(status="succeeded", duration_ms=9),
    )
    (completed,) = data_of("tool_call_completed", *payloads)
    final = data_of("metadata", *payloads)[-1]

    assert len(completed["result"].encode()) in range(8_190, 8_193)
    assert len(final["toolCalls"][0]["result"]) == 2_000
    assert json.dumps(final)


@pytest.mark.req("OV-18")
def test_usage_is_told_in_both_final_frames():
    payloads = RUNS["tools_and_actions"]
    sent = frames(*payloads())
    metadata, complete = sent[-2].data["data"], sent[-1].data["data"]

    assert metadata["tokensUsed"] == 618
    assert metadata["usage"] == complete["usage"]
    assert metadata["processingTime"] == complete["duration_ms"] == 1830


@pytest.mark.req("OV-18")
def test_empty_text_gives_no_frame():
    payloads = (created(), ev.RunStarted(attempt=1, worker="w"), ev.TextDelta(text=""))

    assert data_of("text_delta", *payloads) == []


@pytest.mark.req("OV-18")
def test_a_heartbeat_is_not_in_the_log():
    beat = OverlayDialect(RUN).heartbeat(datetime(2026, 1, 5, 10, tzinfo=UTC))

    assert beat.id is None
    assert beat.data == {
        "type": "heartbeat",
        "event": "heartbeat",
        "run_id": str(RUN),
        "seq": None,
        "timestamp": "2026-01-05T10:00:00.000Z",
        "data": {"time": "2026-01-05T10:00:00.000Z"},
    }


@pytest.mark.req("OV-18")
def test_the_state_before_the_first_frame_is_told_again_at_the_end():
    first, last = data_of("metadata", *RUNS["timed_out"]())

    assert first["persistence"] == "memory"
    assert first["warnings"] == ["The session is not stored."]
    assert last["warnings"] == ["The session is not stored.", "mcp.wait was given up"]
    assert {key: last[key] for key in first if key != "warnings"} == {
        key: first[key] for key in first if key != "warnings"
    }


@pytest.mark.req("OV-18", "OV-19", "OV-S3")
def test_an_action_stands_between_the_start_and_the_end_of_its_call():
    rows = [frame.data for frame in frames(*RUNS["tools_and_actions"]())]
    told = [row for row in rows if row["type"].startswith(("tool", "actions"))]

    assert [row["type"] for row in told] == [
        *("tool_call_started", "actions", "tool_call_completed"),
        *("tool_call_started", "actions", "tool_call_completed"),
    ]
    assert told[1]["data"] == {
        "actions": [{"type": "navigate", "payload": {"path": "/tags"}}],
        "navigate": "/tags",
        "highlight": None,
    }
    assert told[4]["data"]["highlight"] == "#tags"
    assert told[4]["data"]["actions"][0]["payload"]["duration"] == 5000
    assert [row["data"]["tool_name"] for row in told if "tool_name" in row["data"]] == [
        *("ui.navigate", "ui.navigate"),
        *("ui.highlight", "ui.highlight"),
    ]


@pytest.mark.req("OV-18", "OV-S12")
def test_a_failure_is_told_before_the_totals():
    rows = [frame.data for frame in frames(*RUNS["failed_in_reasoning"]())]

    assert [row["type"] for row in rows[-4:]] == [
        *("reasoning_done", "error", "metadata", "complete"),
    ]
    assert rows[-3]["data"] == {
        "message": "The language model is not reachable.",
        "code": "llm_unavailable",
        "retryable": True,
    }
    assert rows[-1]["data"]["status"] == "failed"
