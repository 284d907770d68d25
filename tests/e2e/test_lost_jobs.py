"""Workers that are killed while jobs change the world: nothing twice, nothing lost, one end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.cast import effects_file, halt_file
from tests.e2e.stack import PATIENCE_S, Shape, Stack, wait_until

pytestmark = pytest.mark.e2e

#: How often the world was changed, and how the job ended: its status and the code of its error.
DONE = (1, "success", None)
#: A tool that does not know its own calls again is never called twice: nobody but the world knows.
IN_DOUBT = "outcome_unknown"
AT_ONCE = {
    "unledgered": DONE,
    "begun": (0, "error", IN_DOUBT),
    "done": (1, "error", IN_DOUBT),
    "settled": DONE,
    "begun_again": DONE,
    "done_again": DONE,
}


@pytest.fixture(scope="module")
def shape() -> Shape:
    return Shape(env={"TASKMAPR_TOOL_MODULES": "tests.e2e.tools,tests.e2e.faults"})


def job_start(stack: Stack, point: str) -> str:
    body = {"intent": f"faults.{point}", "inputs": {}, "async": True}
    answer = stack.post("/orchestrate", body)
    assert answer.status == 202
    return str(answer.json()["job_id"])


def ended(stack: Stack, job_id: str) -> dict[str, Any]:
    run_id = job_id.removeprefix("job_")
    stack.wait_for_end(run_id, timeout_s=PATIENCE_S)
    job: dict[str, Any] = stack.get(f"/jobs/{job_id}").json()
    return job


def what_became(stack: Stack, job_id: str) -> tuple[int, str, str | None]:
    """See DONE. The log is whole and has one end."""
    job = ended(stack, job_id)
    run = stack.run(job_id.removeprefix("job_"))
    file = effects_file(stack.place)
    effects = file.read_text().splitlines().count(str(run["id"])) if file.exists() else 0
    events = stack.events(str(run["id"]))
    assert all(b["seq"] == a["seq"] + 1 for a, b in pairwise(events))
    assert [e["kind"] for e in events].count("run.finished") == 1
    assert events[-1]["kind"] == "run.finished"
    return effects, job["status"], (job["error"] or {}).get("code")


@pytest.mark.req("OV-65", "IN-30")
def test_an_effect_is_never_repeated_and_its_receipt_is_not_lost(stack: Stack) -> None:
    """Six jobs under way in one worker, each at another point beside its effect."""
    begun = {point: job_start(stack, point) for point in AT_ONCE}
    for point in begun:
        file = halt_file(stack.place, point)
        wait_until(file.exists, timeout_s=PATIENCE_S)

    stack.workers[0].kill()
    stack.start()

    assert {point: what_became(stack, job) for point, job in begun.items()} == AT_ONCE


@pytest.mark.req("OV-65", "OV-02")
@pytest.mark.parametrize("point", ["unlogged", "unended", "ended"])
def test_around_a_barrier_nothing_is_done_twice(stack: Stack, point: str) -> None:
    """What was about to be stored is said again; what was stored is not."""
    job = job_start(stack, point)
    wait_until(halt_file(stack.place, point).exists, timeout_s=PATIENCE_S)
    final_already = stack.get(f"/jobs/{job}").json()["status"] == "success"

    stack.workers[0].kill()
    stack.start()

    assert final_already is (point == "ended")
    assert what_became(stack, job) == DONE
