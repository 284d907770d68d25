"""What the overlay's users see, with every process real."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.cast import CYD
from tests.e2e.sse import Frame, Stream
from tests.e2e.stack import Stack, wait_until

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


@pytest.mark.req("OV-16", "OV-17", "OV-62", "OV-S1")
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


@pytest.mark.req("OV-33", "OV-14", "OV-S2")
def test_the_model_sees_the_prompt_once_and_20_of_35_elements(stack: Stack) -> None:
    stream = stack.ask("go to tags", model="scripted", **page_of(35), history=HISTORY)
    stream.rest()
    (asked,) = stack.models.requests("scripted")
    messages = asked["body"]["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["earlier", "go to tags"]
    instructions = messages[0]["content"]
    assert "(35 visible)" in instructions
    lines = [line for line in instructions.splitlines() if re.match(r"^- #button-\d+ \"", line)]
    listed = [line for line in lines if "(button, interactive)" in line]
    assert len(listed) == 20
    assert instructions.count("go to tags") <= 1


@pytest.mark.req("OV-28", "OV-19", "OV-S3")
def test_tools_of_the_page_are_called_in_order(stack: Stack) -> None:
    stack.models.script(
        "scripted",
        {
            "tool_calls": [
                call("ui_navigate", path="/tags"),
                call("ui_highlight", selectors=["#tags"]),
            ]
        },
        {"text": ["There ", "you are."]},
    )
    stream = stack.ask("go to tags", model="scripted")
    stream.rest()
    shown = [f for f in stream.frames if f.type.startswith(("tool_", "actions"))]
    assert [(f.type, f.data.get("name")) for f in shown] == [
        ("tool_call_started", "ui.navigate"),
        ("actions", None),
        ("tool_call_completed", "ui.navigate"),
        ("tool_call_started", "ui.highlight"),
        ("actions", None),
        ("tool_call_completed", "ui.highlight"),
    ]
    assert shown[1].data == {
        "actions": [{"type": "navigate", "payload": {"path": "/tags"}}],
        "navigate": "/tags",
        "highlight": None,
    }
    assert shown[4].data["highlight"] == "#tags"
    assert shown[4].data["actions"][0]["payload"]["duration"] == 5000
    assert stream.text == "There you are."


@pytest.mark.req("OV-29", "OV-30", "OV-S4")
def test_an_action_block_in_pieces_is_never_shown(stack: Stack) -> None:
    pieces = ["Done [ACT", 'IONS]{"navigate":"/po', 'sts"}[/ACTI', "ONS] ok"]
    stack.models.script("scripted", {"text": pieces, "delay_ms": 60}, {"text": ["so [ACT"]})
    stream = stack.ask("posts", model="scripted")
    stream.rest()
    assert stream.text == "Done  ok"
    assert [f.data["navigate"] for f in stream.frames if f.type == "actions"] == ["/posts"]
    stack.wait_for_end(stream.run_id)
    history = stack.get(f"/api/history/{stream.session_id}").json()
    assert history["messages"][-1]["content"] == "Done  ok"

    lone = stack.ask("again", model="scripted")
    lone.rest()
    assert lone.text == "so [ACT"


@pytest.mark.req("OV-28", "OV-29", "OV-S5")
@pytest.mark.parametrize("address", ["javascript:alert(1)", "//evil.example"])
def test_a_dangerous_address_is_taken_out_and_not_followed(stack: Stack, address: str) -> None:
    block = '[ACTIONS]{"navigate":"' + address + '"}[/ACTIONS]'
    stack.models.script("scripted", {"text": ["Sure. ", block]})
    stream = stack.ask("go", model="scripted")
    stream.rest()
    assert stream.text == "Sure. "
    assert "actions" not in stream.types
    assert stream.frames[-1].data["status"] == "succeeded"
    wait_until(lambda: "Action block refused" in stack.logs())


@pytest.mark.req("OV-27", "OV-S7")
@pytest.mark.parametrize("how", [{"headers": {"Accept": "application/json"}}, {"stream": False}])
def test_json_is_given_to_who_asks_for_it(stack: Stack, how: dict[str, Any]) -> None:
    answer = stack.ask("Hello", model="text-5", **how)
    body = answer.json()
    assert answer.status == 200
    assert body["content"] == body["message"] == "Here is what I found "
    assert body["status"] == "succeeded"
    assert body["sessionId"] == answer.headers["X-Session-Id"]
    assert {"id", "actions", "metadata", "timestamp", "run_id"} <= set(body)


@pytest.mark.req("OV-22", "OV-17", "OV-S11")
@pytest.mark.parametrize("texts", [1, 4])
def test_a_cut_stream_goes_on_after_the_last_id(stack: Stack, texts: int) -> None:
    first = stack.ask("count", model="held-1x9")
    first.read_texts(1)
    for _ in range(texts - 1):
        stack.models.release("held-1x9", 1)
        first.until("text_delta")
    first.cut()
    second = stack.resume(first.run_id, first.last_id)
    stack.models.release("held-1x9")
    second.rest()
    assert_joined(stack, first, second)


@pytest.mark.req("OV-22")
def test_a_cut_stream_goes_on_by_a_post_without_a_prompt(stack: Stack) -> None:
    first = stack.ask("count", model="held-4")
    first.read_texts(1)
    first.cut()
    second = stack.post("/api/taskmapr/orchestrate", {}, headers={"Last-Event-ID": first.last_id})
    stack.models.release("held-4")
    second.rest()
    assert_joined(stack, first, second)


@pytest.mark.req("OV-26")
def test_two_readers_get_every_frame(stack: Stack) -> None:
    first = stack.ask("count", model="held-4")
    first.read_texts(1)
    second = stack.resume(first.run_id, None)
    second.read_texts(1)
    stack.models.release("held-4")
    assert log_frames(second.rest()) == log_frames(first.rest())


@pytest.mark.req("OV-23", "OV-66", "OV-S11")
def test_a_stream_left_alone_is_cancelled_and_the_session_stays_usable(stack: Stack) -> None:
    left = stack.ask("count", model="held-4", session="left-alone")
    left.read_words(4)
    left.cut()
    row = stack.wait_for_end(left.run_id)
    assert (row["status"], row["reason"]) == ("cancelled", "client_disconnected")
    assert "Client disconnected for session left-alone" in stack.logs()
    history = stack.get("/api/history/left-alone").json()
    assert history["messages"][-1]["partial"] is True
    assert history["messages"][-1]["content"].startswith("Here is")

    following = stack.ask("and now?", model="text-5", session="left-alone")
    following.rest()
    assert following.frames[-1].data["status"] == "succeeded"


@pytest.mark.req("OV-23", "OV-40")
def test_a_patient_profile_goes_on_without_a_reader(stack: Stack) -> None:
    left = stack.ask("count", model="held-4", profile="patient")
    left.read_texts(1)
    left.cut()
    stack.wait_past_grace(left.run_id)
    stack.models.release("held-4")
    assert stack.wait_for_end(left.run_id)["status"] == "succeeded"


@pytest.mark.req("OV-18", "OV-S16")
def test_silence_is_filled_with_heartbeats(stack: Stack) -> None:
    stream = stack.ask("wait", model="held-4")
    stream.read_texts(1)
    for _ in range(2):
        stream.until("heartbeat")
    stack.models.release("held-4")
    stream.rest()
    beats = [frame for frame in stream.frames if frame.type == "heartbeat"]
    assert all(beat.id is None and beat.seq is None for beat in beats)
    assert_well_formed(stream)
    kinds = stack.kinds(stream.run_id)
    assert not [kind for kind in kinds if "heartbeat" in kind]


@pytest.mark.req("OV-24", "OV-S17")
def test_prompts_of_one_session_are_answered_in_order(stack: Stack) -> None:
    streams = [stack.ask(f"prompt {n}", model="held-4", session="in-line") for n in range(4)]
    fifth = stack.ask("one too many", model="echo", session="in-line")
    assert fifth.status == 409
    assert fifth.json()["code"] == "session_busy"
    stack.models.release("held-4")
    for stream in streams:
        stream.rest()
        assert stream.frames[-1].data["status"] == "succeeded"
        stack.wait_for_end(stream.run_id)
    history = stack.get("/api/history/in-line").json()
    said = [(m["role"], m["content"][:8]) for m in history["messages"]]
    assert said == [
        pair for n in range(4) for pair in (("user", f"prompt {n}"), ("assistant", "Here is "))
    ]
    runs = [stack.run(stream.run_id) for stream in streams]
    assert all(a["finished_at"] <= b["started_at"] for a, b in pairwise(runs))


@pytest.mark.req("OV-22")
def test_a_foreign_run_does_not_exist(stack: Stack) -> None:
    stream = stack.ask("mine", model="text-5")
    stream.rest()
    for after in (None, f"{stream.run_id}:1"):
        assert stack.resume(stream.run_id, after, user=CYD).status == 404
    assert stack.resume(stream.run_id, "not-an-id").status == 422


def assert_joined(stack: Stack, first: Stream, second: Stream) -> None:
    """Both parts are what one uncut reader gets."""
    whole = stack.resume(first.run_id, None)
    whole.rest()
    assert second.status == 200
    assert log_frames(first.frames) + log_frames(second.frames) == log_frames(whole.frames)
    assert_well_formed(whole)


def log_frames(frames: list[Frame]) -> list[tuple[str | None, str, Any]]:
    """Frames that stand for events of the log; totals of text may be cut differently by nobody."""
    return [(f.id, f.type, f.data) for f in frames if f.type != "heartbeat"]


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments, "id": f"call_{name}"}


HISTORY = [
    {"id": "u0", "role": "user", "content": "earlier", "timestamp": "2026-01-05T10:00:00.000Z"},
    {"id": "a0", "role": "assistant", "content": "yes", "timestamp": "2026-01-05T10:00:01.000Z"},
    {"id": "u1", "role": "user", "content": "go to tags", "timestamp": "2026-01-05T10:00:02.000Z"},
]


def page_of(count: int) -> dict[str, Any]:
    """The members that describe a page of so many buttons."""
    return {
        "pageContext": {"pathname": "/posts", "search": "?page=2", "hash": "", "title": "Posts"},
        "domElements": [
            {
                "id": f"button-{n}",
                "tagName": "button",
                "textContent": f"Button {n}",
                "classNames": ["menu-item"],
                "role": "button",
                "ariaLabel": f"Press {n}",
                "ariaDescribedBy": "",
                "placeholder": "",
                "value": "",
                "type": "button",
                "position": {"top": 10 * n, "left": 0, "width": 200, "height": 36},
                "isInteractive": True,
            }
            for n in range(count)
        ],
    }
