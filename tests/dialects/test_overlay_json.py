from __future__ import annotations

import pytest

from orchestration.dialects.overlay_json import OverlayAnswer
from taskmapr.core import events as ev
from tests.recorded.logs import HIGHLIGHT, NAVIGATE, created, frames_of, numbered, recorded


def answer_of(name: str) -> OverlayAnswer:
    events = recorded(name)
    answer = OverlayAnswer()
    answer.take(frames_of(events, "overlay", events[0].run_id))
    return answer


@pytest.mark.req("OV-27", "OV-S7")
def test_a_finished_run_is_one_object():
    events = recorded("tools_and_actions")
    body = answer_of("tools_and_actions").body()

    assert body.pop("metadata")["tokensUsed"] == 618
    assert body == {
        "id": f"assistant-{events[0].run_id}",
        "role": "assistant",
        "content": "Here are the tags.",
        "message": "Here are the tags.",
        "timestamp": "2026-01-05T10:00:01.700Z",
        "highlight": [{"selector": "#tags", "duration": 5000}],
        "actions": [NAVIGATE, HIGHLIGHT],
        "sessionId": "s-1",
        "run_id": str(events[0].run_id),
        "status": "succeeded",
    }


@pytest.mark.req("OV-27")
@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("failed_in_reasoning", "llm_unavailable", 502), ("timed_out", "timed_out", 504)],
)
def test_a_failed_run_is_a_problem_that_names_the_run(name, code, status):
    problem = answer_of(name).problem()

    assert problem is not None
    assert (problem.code, problem.status) == (code, status)
    assert problem.details == {"run_id": str(recorded(name)[0].run_id)}


@pytest.mark.req("OV-27")
def test_an_unknown_code_is_an_internal_error():
    run_id = recorded("plain_answer")[0].run_id
    log = numbered(
        [
            created(),
            ev.ErrorRaised(code="from_the_future", message="Odd."),
            ev.RunFinished(status="failed", duration_ms=1),
        ],
        run_id,
    )
    answer = OverlayAnswer()
    answer.take(frames_of(log, "overlay", run_id))
    problem = answer.problem()

    assert problem is not None
    assert (problem.status, problem.detail) == (500, "Odd.")


def test_partial_text_of_a_cancelled_run_is_kept():
    answer = answer_of("cancelled_with_partial_text")

    assert answer.problem() is None
    assert answer.body()["content"] == "Half an ans"
    assert answer.body()["status"] == "cancelled"


def test_a_run_that_goes_on_has_no_answer_yet():
    events = recorded("plain_answer")
    answer = OverlayAnswer()
    answer.take(frames_of(events[:3], "overlay", events[0].run_id))

    assert not answer.is_complete
    with pytest.raises(ValueError, match="not ended"):
        answer.body()
