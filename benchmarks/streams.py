"""Scenarios of streaming runs, each played directly, by TaskMapr and by the baseline in turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from benchmarks.client import Job
from benchmarks.stack import ROOT, Stack

DIRECT, OURS, BASELINE = "direct", "taskmapr", "baseline"
_SERVERS: Final = ("web", "worker", "redis", "postgres")
#: Seconds after the last byte in which what a run still costs is counted.
_AFTERMATH_S: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    model: str
    count: int
    spread_s: float = 0.0
    in_turn: bool = False
    targets: Sequence[str] = (DIRECT, OURS, BASELINE)
    #: Left out of a quick run.
    is_long: bool = False


SCENARIOS: Final = (
    Scenario(name="alone, 20 ms/token", model="clock-8x20", count=25, in_turn=True),
    Scenario(name="50 over 1.3 s, 20 ms/token", model="clock-64x20", count=50, spread_s=1.3),
    Scenario(name="50 at once, no delay", model="bench-64x0", count=50),
    Scenario(name="200 at once, 20 ms/token", model="clock-64x20", count=200),
    Scenario(
        name="500 over 3 s, 100 ms/token",
        model="clock-64x100",
        count=500,
        spread_s=3.0,
        is_long=True,
    ),
    Scenario(
        name="200 over 5 s, one token",
        model="bench-1x0",
        count=200,
        spread_s=5.0,
        targets=(OURS, BASELINE),
    ),
)


@dataclass(slots=True)
class Measured:
    """What the rounds of one scenario gave for one target."""

    rounds: list[dict[str, Any]] = field(default_factory=list)

    def of(self, figure: str) -> float:
        return median(one[figure] for one in self.rounds)

    @property
    def failed(self) -> int:
        return sum(one["failed"] for one in self.rounds)

    @property
    def faults(self) -> list[str]:
        return sorted({fault for one in self.rounds for fault in one["faults"]})


Results = dict[str, dict[str, Measured]]


def measure(stack: Stack, scenarios: Sequence[Scenario], rounds: int) -> Results:
    """Interleaved, so that what else the machine does hits all targets alike."""
    results: Results = {s.name: {target: Measured() for target in s.targets} for s in scenarios}
    for _ in range(rounds):
        stack.sign_in()
        for scenario in scenarios:
            for target in scenario.targets:
                results[scenario.name][target].rounds.append(play(stack, scenario, target))
    return results


def play(stack: Stack, scenario: Scenario, target: str) -> dict[str, Any]:
    """One scenario once. CPU is in milliseconds per run, by process."""
    before = stack.meters.cpu_s()
    figures = stack.ask(_job(stack, scenario, target))
    time.sleep(_AFTERMATH_S)
    after = stack.meters.cpu_s()
    for name in after:
        figures[f"cpu_{name}"] = (after[name] - before[name]) * 1000 / scenario.count
    names = _SERVERS if target == OURS else ("baseline",) if target == BASELINE else ("model",)
    figures["cpu"] = sum(figures[f"cpu_{name}"] for name in names)
    figures["cpu_start"] = figures["cpu_web"] + figures["cpu_worker"]
    if target == OURS:
        figures["faults"] += stored_faults([UUID(run) for run in figures["run_ids"]])
    return figures


def warm(stack: Stack) -> None:
    """Imports, connections and caches: what only the first runs of a process pay for."""
    for target in (DIRECT, OURS, BASELINE):
        play(stack, Scenario(name="warm", model="bench-64x0", count=60, spread_s=1.0), target)


def stored_faults(run_ids: Sequence[UUID]) -> list[str]:
    """What Postgres has of these runs that it should not have, or lacks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM unnest(%s::uuid[]) AS w(id) LEFT JOIN agent_runs r USING (id)"
            " LEFT JOIN LATERAL (SELECT count(*) AS rows, min(seq) AS first, max(seq) AS last"
            "   FROM agent_run_events e WHERE e.run_id = w.id) e ON true"
            " WHERE r.status IS DISTINCT FROM 'succeeded' OR e.first <> 1 OR e.rows <> e.last"
            "   OR r.last_seq <> e.last",
            [list(run_ids)],
        )
        row = cursor.fetchone()
    return [f"{row[0]} runs are not whole in Postgres"] if row and row[0] else []


def _job(stack: Stack, scenario: Scenario, target: str) -> Job:
    port = {DIRECT: "model", OURS: "web", BASELINE: "baseline"}[target]
    path = {
        DIRECT: "/v1/chat/completions",
        OURS: "/api/taskmapr/orchestrate",
        BASELINE: "/orchestrate",
    }[target]
    return Job(
        port=stack.ports[port],
        path=path,
        token=stack.token if target == OURS else "",
        body=_direct_body(scenario.model) if target == DIRECT else page_body(scenario.model),
        model=scenario.model,
        count=scenario.count,
        spread_s=scenario.spread_s,
        in_turn=scenario.in_turn,
    )


def page_body(model: str) -> str:
    """A question as the overlay asks it, recorded on the sample workspace."""
    recorded = orjson.loads((ROOT / "tests/page/overlay_requests.json").read_bytes())
    return orjson.dumps({**recorded[1], "history": [], "config": {"model": model}}).decode()


def _direct_body(model: str) -> str:
    messages = [{"role": "user", "content": "Show me blocked tasks"}]
    return orjson.dumps({"model": model, "stream": True, "messages": messages}).decode()
