from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from orchestration.models import Run
from orchestration.services.leases import Claim
from orchestration.services.run_end import run_cancel
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun


@pytest.mark.req("OV-51")
def test_it_tells_the_conversation_oldest_first(call: Call, start: StartRun) -> None:
    for prompt in ("one", "two"):
        run_cancel(run_id=start(prompt=prompt).pk, by="ada")

    answer = call("GET", "/api/history/s-1").json

    assert [(m["role"], m["content"]) for m in answer["messages"]] == [
        ("user", "one"),
        ("assistant", ""),
        ("user", "two"),
        ("assistant", ""),
    ]
    assert (answer["sessionId"], answer["count"], answer["next_before"]) == ("s-1", 4, None)
    assert answer["messages"][1]["partial"] is True


@pytest.mark.req("OV-51")
def test_it_is_read_page_by_page_from_the_end(call: Call, start: StartRun) -> None:
    for prompt in ("one", "two", "three"):
        run_cancel(run_id=start(prompt=prompt).pk, by="ada")

    last = call("GET", "/api/history/s-1?limit=4").json
    first = call("GET", f"/api/history/s-1?limit=4&before={last['next_before']}").json

    told = [m["content"] for page in (first, last) for m in page["messages"] if m["content"]]
    assert told == ["one", "two", "three"]
    assert first["next_before"] is None


@pytest.mark.req("OV-51")
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "before=x"])
def test_a_bad_page_is_refused(call: Call, start: StartRun, query: str) -> None:
    start()

    assert call("GET", f"/api/history/s-1?{query}").status == 422


@pytest.mark.req("OV-51", "OV-S10")
def test_a_foreign_session_does_not_exist(call: Call, start: StartRun, cyd: User) -> None:
    start()

    assert call("GET", "/api/history/s-1", user=cyd).status == 404
    assert call("GET", "/api/history/unknown", user=cyd).status == 404


@pytest.mark.req("OV-51")
def test_an_answer_whose_end_was_told_is_in_it(
    call: Call,
    start: StartRun,
    hold: Callable[[UUID], Claim],
    ends_when_asked: Callable[[Run], None],
) -> None:
    run = start(prompt="one")
    hold(run.pk)
    ends_when_asked(run)

    messages = call("GET", "/api/history/s-1").json["messages"]

    assert [m["role"] for m in messages] == ["user", "assistant"]
