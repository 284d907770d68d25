"""Quotas over POST /orchestrate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents_cfg.selectors.fresh import fresh
from billing.models import Quota
from memory.models import MemoryItem
from orchestration.models import Run
from orchestration.services.metering import runs_meter
from taskmapr.core.tools import ToolRegistry, tool
from tests.orchestration.intents.conftest import Call


@pytest.mark.req("IN-38")
def test_a_used_up_quota_is_402_and_nothing_is_done(orchestrate: Call) -> None:
    Quota.objects.create(max_calls=1, pattern="memory.*")
    fresh.clear()

    assert orchestrate("memory.write", {"text": "one"}).status == 200
    refused = orchestrate("memory.write", {"text": "two"})

    assert (refused.status, refused.json["code"]) == (402, "quota_exceeded")
    assert refused.json["details"]["resets_at"].endswith("T00:00:00Z")
    assert Run.objects.count() == MemoryItem.objects.count() == 1
    # What was answered before is answered again: it is no new call.
    assert orchestrate("memory.write", {"text": "one"}).status == 200


@pytest.mark.req("IN-38")
@pytest.mark.parametrize("n", [50])
def test_fifty_requests_at_once_never_exceed_a_limit(
    send: Callable[..., Any], play: Callable[..., Any], settings: Any, n: int
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "intents_per_minute": 0}
    Quota.objects.create(max_calls=7)
    fresh.clear()

    async def scene() -> list[Any]:
        bodies = [{"intent": "memory.write", "inputs": {"text": f"t {i}"}} for i in range(n)]
        return await asyncio.gather(*(send("POST", "/orchestrate", body) for body in bodies))

    answers = play(scene)

    assert sorted(a.status for a in answers) == [200] * 7 + [402] * (n - 7)
    assert MemoryItem.objects.count() == 7


@pytest.mark.req("IN-38", "IN-S17")
def test_of_a_daily_quota_of_three_calls_the_fourth_is_refused_and_usage_shows_three(
    orchestrate: Call, call: Call, registry: ToolRegistry
) -> None:
    @tool("shop.find", into=registry, cost_usd_micros=500)
    def find(what: str) -> dict[str, str]:
        """Find a thing."""
        return {"found": what}

    Quota.objects.create(max_calls=3, period="day")
    fresh.clear()

    answers = [orchestrate("shop.find", {"what": f"tea {n}"}) for n in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 402]
    refused = answers[-1].json
    assert refused["code"] == "quota_exceeded"
    resets_at = datetime.fromisoformat(refused["details"]["resets_at"])
    assert timedelta() < resets_at - datetime.now(UTC) <= timedelta(days=1)
    assert (resets_at.hour, resets_at.minute) == (0, 0)
    assert Run.objects.count() == 3
    runs_meter()
    used = call("GET", "/usage?group_by=tool").json
    (row,) = used["usage"]
    for told in (row, used["total"]):
        assert (told["calls"], told["failed"], told["cost_usd_micros"]) == (3, 0, 1500)
    assert row["tool"] == "shop.find"


@pytest.mark.req("IN-38")
def test_a_job_of_a_worker_costs_what_its_tool_costs(
    orchestrate: Call, registry: ToolRegistry
) -> None:
    @tool("shop.find", into=registry, cost_usd_micros=500, cost_usd_micros_per_s=1)
    def find(what: str) -> dict[str, str]:
        """Find a thing."""
        return {"found": what}

    Quota.objects.create(max_cost_usd_micros=100, pattern="shop.*")
    fresh.clear()
    assert orchestrate("shop.find", {"what": "tea"}).status == 402

    Quota.objects.all().delete()
    fresh.clear()
    assert orchestrate("shop.find", {"what": "tea"}).status == 200
    assert Run.objects.get().cost_usd_micros == 500
