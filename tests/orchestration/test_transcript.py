from __future__ import annotations

from orchestration.log.transcript import Transcript

CALL = {"call_id": "c1", "name": "ui.navigate", "arguments": '{"path": "/a"}'}
TURN = {"step": 1, "model": "m", "duration_ms": 1, "calls": [CALL]}


def _told(*facts: tuple[str, dict[str, object]]) -> Transcript:
    transcript = Transcript()
    for kind, data in facts:
        transcript.feed(kind, data)
    return transcript


def test_a_turn_with_calls_becomes_messages_and_its_calls_wait_for_results() -> None:
    transcript = _told(
        ("reasoning.delta", {"text": "Hm."}),
        ("text.delta", {"text": "Going."}),
        ("model.responded", TURN),
    )

    (message,) = transcript.messages
    assert (message["content"], message["reasoning_content"]) == ("Going.", "Hm.")
    assert message["tool_calls"][0]["function"]["name"] == "ui_navigate"
    assert [call.call_id for call in transcript.pending_calls] == ["c1"]


def test_a_result_answers_its_call() -> None:
    done = {"call_id": "c1", "tool": "ui.navigate", "ok": False, "error": "No.", "duration_ms": 1}

    transcript = _told(("model.responded", TURN), ("tool.completed", done))

    assert transcript.pending_calls == []
    assert transcript.messages[1]["content"] == '{"error":"No."}'


def test_a_turn_that_was_cut_off_is_no_part_of_the_next_one() -> None:
    transcript = _told(
        ("reasoning.delta", {"text": "lost"}),
        ("text.delta", {"text": "Lost. "}),
        ("run.retrying", {"attempt": 2, "reason": "worker_lost"}),
        ("text.delta", {"text": "Kept."}),
        ("model.responded", TURN),
    )

    (message,) = transcript.messages
    assert message["content"] == "Kept."
    assert "reasoning_content" not in message
    assert transcript.text == "Lost. Kept."


def test_calls_without_a_result_are_not_remembered() -> None:
    answer = _told(("model.responded", TURN)).answer("s-1", is_partial=True)

    assert answer.items == []


def test_one_unknown_price_makes_the_cost_unknown() -> None:
    known = {**TURN, "calls": [], "cost_usd_micros": 5}

    assert _told(("model.responded", known)).cost_usd_micros == 5
    assert _told(("model.responded", known), ("model.responded", TURN)).cost_usd_micros is None
    assert _told().cost_usd_micros == 0
