"""Figures as Markdown tables, with the goal beside each figure that has one."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping

from benchmarks.streams import BASELINE, DIRECT, OURS, SCENARIOS, Measured, Results

_COLUMNS = (
    "scenario",
    "target",
    "tokens/s",
    "first token p50 / p95 ms",
    "late p50 / p95 ms",
    "frames per run",
    "CPU ms per run (web + worker + Redis + Postgres)",
    "failed",
)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(columns)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {_cpu_model()}, "
        f"load {load:.1f}"
    )


def streams(results: Results) -> str:
    rows = []
    for scenario, by_target in results.items():
        for target, measured in by_target.items():
            cpu = f"{measured.of('cpu'):.1f}"
            if target == OURS:
                parts = [f"{measured.of(f'cpu_{n}'):.1f}" for n in _OWN]
                cpu += f" ({' + '.join(parts)})"
            rows.append(
                [
                    scenario,
                    target,
                    f"{measured.of('tokens_per_s'):,.0f}",
                    f"{measured.of('first_p50'):.1f} / {measured.of('first_p95'):.1f}",
                    f"{measured.of('late_p50'):.1f} / {measured.of('late_p95'):.1f}",
                    f"{measured.of('frames_per_run'):.1f}",
                    cpu,
                    measured.failed,
                ]
            )
    return table(_COLUMNS, rows)


_OWN = ("web", "worker", "redis", "postgres")


def goals(results: Results) -> str:
    """The goals of docs/performance.md that these results can speak to."""
    rows = [
        [name, f"{value:.2f}", goal, "yes" if is_met else "NO"]
        for name, value, goal, is_met in _judged(results)
    ]
    return table(("goal", "reached", "wanted", "met"), rows)


def _judged(results: Results) -> list[tuple[str, float, str, bool]]:
    found: list[tuple[str, float, str, bool]] = []

    def at_most(name: str, value: float, limit: float) -> None:
        found.append((name, value, f"<= {limit:g}", value <= limit))

    def at_least(name: str, value: float, limit: float) -> None:
        found.append((name, value, f">= {limit:g}", value >= limit))

    alone, paced, burst, crowd, long, start = (results.get(s.name, {}) for s in SCENARIOS)
    if alone:
        at_most("added first token p50, alone, ms", _added(alone), 20)
    if paced:
        at_most("added first token p50, 50 paced, ms", _added(paced), 20)
        at_least("share of direct, 50 paced", _ratio(paced, DIRECT), 0.97)
        at_most("late p95, 50 paced, ms", paced[OURS].of("late_p95"), 15)
    if burst:
        at_least("x baseline, 50 at once", _ratio(burst, BASELINE), 1.8)
        at_most("CPU ms per run, 50 at once", burst[OURS].of("cpu"), 15)
    if crowd:
        at_least("x baseline, 200 at once", _ratio(crowd, BASELINE), 1.8)
        at_most("failed, 200 at once", crowd[OURS].failed, 0)
    if long:
        at_least("share of direct, 500 paced", _ratio(long, DIRECT), 0.85)
        at_most("failed, 500 paced", long[OURS].failed, 0)
    if start:
        at_most("CPU ms of a run of one token, web + worker", start[OURS].of("cpu_start"), 8)
    return found


def _added(by_target: Mapping[str, Measured]) -> float:
    return by_target[OURS].of("first_p50") - by_target[DIRECT].of("first_p50")


def _ratio(by_target: Mapping[str, Measured], other: str) -> float:
    return by_target[OURS].of("tokens_per_s") / by_target[other].of("tokens_per_s")


def faults(results: Results) -> str:
    return "\n".join(
        f"{scenario}, {target}: {fault}"
        for scenario, by_target in results.items()
        for target, measured in by_target.items()
        for fault in measured.faults
    )


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("model name")]
    except OSError:
        return platform.processor()
    return lines[0].partition(":")[2].strip() if lines else platform.processor()
