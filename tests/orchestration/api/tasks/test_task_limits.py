from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import Run
from taskmapr.foundation import allowances
from taskmapr.foundation.telemetry import metrics
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call

KeyOf = Callable[..., dict[str, str]]
TEST = {"task_type": "test_task", "params": {"test": True}}

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-39")]


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.TASKMAPR = {
        **settings.TASKMAPR,
        "task_assigns_per_minute": 3,
        "task_reads_per_minute": 5,
    }


@pytest.mark.req("TQ-S14", "TQ-40")
def test_one_key_is_stopped_and_another_is_not(call: Call, ada: User, key_of: KeyOf) -> None:
    first, second = key_of(ada), key_of(ada)
    counted = metrics.figures().rate_limited._value.get()

    answers = [call("POST", "/assign-task", TEST, user=None, **first) for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [a.headers["RateLimit-Remaining"] for a in answers] == ["2", "1", "0", "0"]
    assert {a.headers["RateLimit-Limit"] for a in answers} == {"3"}
    assert answers[3].json["code"] == "rate_limited"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert "RateLimit-Reset" in answers[3].headers
    assert metrics.figures().rate_limited._value.get() == counted + 1
    assert call("POST", "/assign-task", TEST, user=None, **second).status == 200
    assert Run.objects.count() == 4


def test_reading_and_assigning_are_counted_apart(call: Call, ada: User, key_of: KeyOf) -> None:
    key = key_of(ada, rate=1)
    assert call("POST", "/assign-task", TEST, user=None, **key).status == 200
    assert call("POST", "/assign-task", TEST, user=None, **key).status == 429

    reads = [call("GET", "/tasks/runs", user=None, **key) for _ in range(6)]

    assert [answer.status for answer in reads] == [200] * 5 + [429]
    assert reads[0].headers["RateLimit-Limit"] == "5"


@pytest.mark.req("TQ-S12")
def test_while_redis_is_away_one_may_read_and_not_assign(
    call: Call, assign: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = assign()

    def away(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(allowances.Allowances, "take", away)
    try:
        refused = call("POST", "/assign-task", TEST)
        assert (refused.status, refused.json["code"]) == (503, "queue_unavailable")
        assert refused.headers["Retry-After"] == "5"
        assert Run.objects.count() == 1
        assert call("GET", f"/result/{task_id}").status == 200
    finally:
        allowances._outage._until = 0.0
