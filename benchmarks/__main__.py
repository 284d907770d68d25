"""`python -m benchmarks`: what streams, the log and memory cost on this machine.

Starts everything it needs and leaves nothing behind. Figures of one run may be compared with each
other; figures of two runs only when nothing else used the machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

import orjson

from benchmarks import flows, intents, knowledge, memory, report, tasks
from benchmarks.idle import memory_per_stream
from benchmarks.stack import ROOT, Stack, running_stack
from benchmarks.streams import OURS, SCENARIOS, Results, Scenario, measure, warm

#: What needs no stack around it.
_ALONE = {"knowledge": knowledge.main, "memory": memory.main}
SERVERS = ("uvicorn", "granian", "daphne")


def main() -> int:
    options = _options()
    if options.only in _ALONE:
        print(f"{report.machine()}\n\n{_ALONE[options.only](quick=options.quick)}")
        return 0
    scenarios = [s for s in SCENARIOS if _is_wanted(s, options)]
    with running_stack(options.server) as stack:
        print(f"{report.machine()}; web: {options.server}\n", flush=True)
        if options.only == "tasks":
            print(tasks.main(stack, quick=options.quick, rounds=options.rounds))
            return 0
        if options.only == "intents":
            print(intents.main(stack, quick=options.quick, rounds=options.rounds))
            return 0
        if options.only == "flows":
            print(flows.main(stack))
            return 0
        if options.only == "sockets":
            # Here, because models need Django, which is set up now.
            from benchmarks import sockets

            print(sockets.main(stack, quick=options.quick))
            return 0
        if options.servers:
            _compare_servers(stack, scenarios, options.rounds)
            return 0
        warm(stack)
        if options.only is None:
            # First: the heap of a process that has served hundreds at once has room for more.
            memory = memory_per_stream(stack, 100 if options.quick else 500)
            print("memory per open idle stream, KiB:", _rounded(memory))
            print(f"rows through one writer: {_rows(stack, 2 if options.quick else 10)}\n")
        results = measure(stack, scenarios, options.rounds)
        print(report.streams(results), report.goals(results), sep="\n\n", flush=True)
        return _verdict(results)


def _verdict(results: Results) -> int:
    """1 when a stream of TaskMapr failed: its figures mean nothing then."""
    if told := report.faults(results):
        print(f"\n{told}")
    return int(any(by_target[OURS].failed for by_target in results.values()))


def _compare_servers(stack: Stack, scenarios: list[Scenario], rounds: int) -> None:
    """The same under each ASGI server, in turn; the worker stays."""
    for server in SERVERS:
        stack.web_start(server)
        warm(stack)
        memory = memory_per_stream(stack, 200)
        results = measure(stack, scenarios, rounds)
        print(f"## {server}\n\n{report.streams(results)}\n\n{report.goals(results)}\n")
        print("memory per open idle stream, KiB:", _rounded(memory), "\n", flush=True)


def _rows(stack: Stack, seconds: int) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.rows", str(seconds)]
    done = subprocess.run(
        command, cwd=ROOT, env=stack.env, stdout=subprocess.PIPE, check=True, timeout=120
    )
    return _rounded(orjson.loads(done.stdout))


def _rounded(figures: dict[str, Any]) -> dict[str, int]:
    return {name: round(value) for name, value in figures.items()}


def _is_wanted(scenario: Scenario, options: argparse.Namespace) -> bool:
    if options.only is not None:
        return options.only in scenario.name
    return not (options.quick and scenario.is_long)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--rounds", type=int, help="default 3, quick 1")
    parser.add_argument("--server", choices=SERVERS, default="uvicorn")
    parser.add_argument("--servers", action="store_true", help="compare the ASGI servers")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        help="scenarios whose name has this text, or one of:"
        " knowledge, memory, tasks, intents, flows, sockets",
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    sys.exit(main())
