"""Workers that end with tasks under way: what becomes of these, and of their processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.followers import Follower, following
from tests.e2e.stack import PATIENCE_S, Shape, Stack, wait_until
from tests.orchestration.tasks.test_processes import is_gone

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shape() -> Shape:
    modules = "tests.e2e.tools,tests.orchestration.tasks.process_types"
    return Shape(workers=1, env={"TASKMAPR_TOOL_MODULES": modules})


@pytest.mark.req("TQ-12", "TQ-15", "TQ-18", "TQ-26", "TQ-S13")
def test_of_what_a_killed_worker_did_only_what_may_be_repeated_is_done_again(
    stack: Stack, tmp_path: Path
) -> None:
    """The other task has begun a change. Its process is gone with its worker, and so is what that
    had started. Who follows the first sees that there is another attempt, and its result. A third
    one waits for its first step, which is done again and followed by the second."""
    file = tmp_path / "pids"
    changing = stack.assign("child.deaf", {"file": str(file)})
    wait_until(lambda: "result" in stack.kinds(changing), timeout_s=PATIENCE_S)
    chain = stack.assign("two_steps", {"name": "slow"})
    repeated = stack.assign_held("repeated", steps=30, held_after=3)
    wait_until(lambda: _step_holds(stack, chain), timeout_s=PATIENCE_S)
    with following(stack, repeated) as follower:
        follower.until_lines(3)
        stack.holder(changing).kill()
        stack.let_go("repeated")
        stack.let_go("slow")
        stack.revive()
        for pid in map(int, file.read_text().split()):
            wait_until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]
        assert follower.rest() == 1000

    _is_done_again(stack, repeated, follower)
    _went_on(stack, chain)
    ended = stack.wait_for_end(changing, timeout_s=PATIENCE_S)
    assert (ended["status"], ended["error_code"]) == ("failed", "worker_lost")
    results = [e["data"]["value"] for e in stack.events(changing) if e["kind"] == "result"]
    assert results == [{"started": int(file.read_text().split()[1])}]


def _is_done_again(stack: Stack, run_id: str, follower: Follower) -> None:
    ended = stack.wait_for_end(run_id, timeout_s=PATIENCE_S)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)
    (retry,) = (m for m in follower.messages if m["type"] == "retry")
    assert (retry["data"]["attempt"], retry["data"]["error"]) == (2, "worker_lost")
    after = [m for m in follower.messages if m["seq"] > retry["seq"] and m["type"] == "log"]
    assert [m["data"]["message"] for m in after] == [f"step {n} of 30" for n in range(1, 31)]
    assert follower.types[-2:] == ["status", "result"]
    assert follower.messages[-1]["data"]["attempts"] == 2


_STEPS = """
SELECT r.id::text, r.status, r.attempt
FROM agent_sequence_steps s JOIN agent_runs r ON r.id = s.run_id
WHERE s.sequence_id = %s ORDER BY s.position
"""


def _step_holds(stack: Stack, chain: str) -> bool:
    """Its first step has begun, and nobody holds the sequence."""
    steps = stack.rows(_STEPS, chain)
    is_held = bool(steps) and "log" in stack.kinds(steps[0]["id"])
    return is_held and stack.run(chain)["status"] == "paused"


def _went_on(stack: Stack, chain: str) -> None:
    ended = stack.wait_for_end(chain, timeout_s=PATIENCE_S)
    assert (ended["status"], ended["error_code"]) == ("succeeded", "")
    steps = [(step["status"], step["attempt"]) for step in stack.rows(_STEPS, chain)]
    assert steps == [("succeeded", 2), ("succeeded", 1)]
    (result,) = (e["data"]["value"] for e in stack.events(chain) if e["kind"] == "result")
    assert result["steps"][1]["output"]["echo"]["told"] == "completed"


@pytest.mark.req("TQ-36")
def test_the_steps_of_tasks_are_in_a_file_and_in_what_the_worker_writes(stack: Stack) -> None:
    run_id = stack.assign("test_task", {"duration_s": 0, "steps": 1})
    stack.wait_for_end(run_id, timeout_s=PATIENCE_S)

    def steps(file: Path) -> list[dict[str, Any]]:
        lines = [line for line in file.read_bytes().splitlines() if run_id.encode() in line]
        told = [orjson.loads(line) for line in lines]
        return [line for line in told if line["task_id"] == run_id]

    file = stack.place / "logs" / "automation.log"
    wait_until(lambda: file.exists() and len(steps(file)) == 3, timeout_s=PATIENCE_S)
    # The first is told by another process, which may come to it later.
    told = {line["event"]: line for line in steps(file)}
    assert set(told) == {"assigned", "started", "completed"}
    assert told["completed"]["duration_ms"] >= 0
    wait_until(lambda: len(steps(stack.workers[0].log)) == 2, timeout_s=PATIENCE_S)
