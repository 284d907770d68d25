"""The task queue with every process real: assigned, tried again, ended early, scheduled."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.cast import ADA, CYD, Person
from tests.e2e.processes import ROOT, ServiceProcess
from tests.e2e.scraped import Scraped
from tests.e2e.stack import PATIENCE_S, Shape, Stack, wait_until

pytestmark = pytest.mark.e2e

FILE = """
from taskmapr.core.task_types import task

@task("{name}")
def work(params, ctx):
    "Says where it comes from."
    return {{"from": "{name}"}}
"""
#: Run in a process of its own: what an operator does in the admin.
ALIAS = """
from orchestration.models import TaskDefinition
from orchestration.services.task_types import task_definition_save
content = {"type": "test_task", "params": {"duration_s": 0, "colour": "green"}}
task_definition_save(definition=TaskDefinition(name="green", kind="alias", content=content), by="e")
"""
SCHEDULE = """
from uuid import UUID
from orchestration.models import TaskSchedule
from orchestration.services.task_schedules import task_schedule_save
schedule = TaskSchedule(name="often", task_type="test_task", params={"duration_s": 0}, every_s=10,
                        owner_id=UUID("%s"))
task_schedule_save(schedule=schedule, by="e")
"""


@pytest.fixture(scope="module")
def types_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("types")
    (folder / "first.py").write_text(FILE.format(name="file.first"))
    (folder / "broken.py").write_text("def")
    return folder


@pytest.fixture(scope="module")
def shape(types_dir: Path) -> Shape:
    return Shape(env={"TASKS_DIR": str(types_dir), "TASKMAPR_DRAIN_S": "1"})


@pytest.fixture(scope="module")
def second_beat(module_stack: Stack) -> Iterator[ServiceProcess]:
    """Started beside the first one, as somebody may by mistake."""
    logs = module_stack.place / "logs"
    beat = ServiceProcess("beat2", ["manage.py", "beat"], env=module_stack.env, logs=logs)
    beat.start()
    yield beat
    beat.end()


def manage(stack: Stack, code: str) -> None:
    command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-v", "0", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=stack.env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def result(stack: Stack, task_id: str, *, user: Person = ADA) -> dict[str, Any]:
    told: dict[str, Any] = stack.get(f"/result/{task_id}", user=user).json()
    return told


def over(stack: Stack, task_id: str) -> dict[str, Any]:
    stack.wait_for_end(task_id, timeout_s=PATIENCE_S)
    return result(stack, task_id)


@pytest.fixture(scope="module", autouse=True)
def _scheduled(module_stack: Stack, second_beat: ServiceProcess) -> None:
    """From the start, so that its moments pass while the other tests work."""
    manage(module_stack, SCHEDULE % ADA.id)


@pytest.mark.req("TQ-S1", "TQ-20")
def test_a_task_is_done_and_told(stack: Stack) -> None:
    task_id = stack.assign("test_task", {"test": True, "duration_s": 0.2})
    told = over(stack, task_id)

    assert (told["status"], told["state"], told["ready"]) == ("completed", "SUCCESS", True)
    assert told["result"]["echo"]["test"] is True
    assert len(told["logs"]) >= 3
    assert all(told[name] for name in ("created_at", "started_at", "completed_at"))


@pytest.mark.req("TQ-40")
def test_a_task_is_in_the_figures(stack: Stack) -> None:
    def ended(figures: Scraped) -> float:
        return figures.value("tasks_total", task_type="test_task", status="completed")

    before = Scraped(stack)
    over(stack, stack.assign("test_task", {"succeed_on_attempt": 2, "duration_s": 0}))
    wait_until(lambda: ended(Scraped(stack)) > ended(before))
    after = Scraped(stack)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    # Another one may be assigned by the schedule meanwhile.
    assert grown("task_duration_seconds_count", task_type="test_task") >= 2
    assert grown("task_wait_seconds_count") >= 1
    assert grown("task_retries_total") == 1
    assert after.value("workers") >= 1
    assert after.labels("queue_depth") == {frozenset({"queue"})}
    assert after.labels("ws_connections") == {frozenset()}
    assert after.labels("rate_limited_total") == {frozenset()}


@pytest.mark.req("TQ-S6", "TQ-S7")
def test_attempts_limits_and_cancelling(stack: Stack) -> None:
    """Side by side, because each of them mostly waits."""
    third = stack.assign("test_task", {"succeed_on_attempt": 3, "duration_s": 0})
    never = stack.assign("test_task", {"fail": "permanent", "duration_s": 0})
    late = stack.assign("test_task", {"duration_s": 60}, timeout_s=2)
    stopped = stack.assign("test_task", {"duration_s": 60})
    stack.wait_for_status(stopped, "running", timeout_s=PATIENCE_S)

    assert stack.post(f"/tasks/{stopped}/cancel", {}).status == 202
    told = over(stack, stopped)
    again = stack.post(f"/tasks/{stopped}/cancel", {})
    assert (told["status"], again.status) == ("cancelled", 409)
    assert again.json()["code"] == "already_finished"

    told = over(stack, late)
    assert (told["status"], told["error"]["code"]) == ("timed_out", "time_limit")
    assert told["duration_ms"] < 15_000
    told = over(stack, never)
    assert (told["status"], told["attempts"]) == ("failed", 1)
    told = over(stack, third)
    assert (told["status"], told["attempts"]) == ("completed", 3)
    delays = [e["data"]["delay_s"] for e in stack.events(third) if e["kind"] == "run.retrying"]
    assert len(delays) == 2
    assert all(longer > shorter for shorter, longer in pairwise(delays))


@pytest.mark.req("TQ-S8")
def test_types_made_while_everything_runs_can_be_assigned(stack: Stack, types_dir: Path) -> None:
    """A broken file beside them keeps nobody away."""
    (types_dir / "second.py").write_text(FILE.format(name="file.second"))
    manage(stack, ALIAS)

    def listed() -> set[str]:
        return {row["name"] for row in stack.get("/tasks/").json()["tasks"]}

    wait_until(lambda: {"file.first", "file.second", "green"} <= listed())
    assert over(stack, stack.assign("file.second"))["result"] == {"from": "file.second"}
    assert over(stack, stack.assign("green"))["result"]["echo"]["colour"] == "green"


@pytest.mark.req("TQ-S16")
def test_ten_equal_orders_at_once_are_one_task(stack: Stack) -> None:
    key = {"Idempotency-Key": "ten"}

    def order(_: int) -> str:
        return stack.assign("test_task", {"duration_s": 0}, headers=key)

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(order, range(10)))) == 1


@pytest.mark.req("TQ-S4", "TQ-03")
def test_a_task_is_its_owners(stack: Stack) -> None:
    task_id = stack.assign("test_task", {"duration_s": 0, "screenshot": True})
    (picture,) = over(stack, task_id)["screenshots"]
    bare = picture["url"].partition("?")[0]

    for path in (f"/result/{task_id}", f"/result/{uuid4()}", "/result/abc"):
        answer = stack.get(path, user=CYD)
        assert (answer.status, answer.json()["code"]) == (404, "task_not_found")
    assert stack.get(bare, user=CYD).status == 404
    assert stack.get(bare).status == 200
    assert stack.post(f"/tasks/{task_id}/cancel", {}, user=CYD).status == 404
    assert stack.get("/tasks/runs/", user=CYD).json()["items"] == []


@pytest.mark.req("TQ-04")
def test_the_id_of_the_request_is_in_the_row_and_in_the_workers_lines(stack: Stack) -> None:
    asked = f"order-{uuid4()}"
    params = {"duration_s": 0, "fail": "permanent"}
    task_id = stack.assign("test_task", params, headers={"x-request-id": asked})
    over(stack, task_id)

    assert stack.run(task_id)["request_id"] == asked
    wait_until(lambda: asked in stack.workers[0].log.read_text())


@pytest.mark.req("TQ-05")
def test_the_health_of_a_queue_is_told(stack: Stack) -> None:
    told = stack.get("/health").json()

    assert (told["status"], told["redis"], told["workers"]) == ("healthy", "connected", 1)
    assert {"service", "timestamp"} <= told.keys()
    assert {"default", "long"} <= told["queue_depth"].keys()


@pytest.mark.req("TQ-19")
def test_a_worker_that_is_asked_to_stop_leaves_its_task_to_another(stack: Stack) -> None:
    """It gives the task its time first, and is gone within half a minute."""
    task_id = stack.assign_held("handed-back", steps=20, held_after=2)
    wait_until(lambda: "progress" in stack.kinds(task_id), timeout_s=PATIENCE_S)
    worker = stack.workers[0]
    worker.signal(signal.SIGTERM)

    assert worker.wait(timeout_s=30) == 0
    handed_back = stack.run(task_id)
    stack.revive()
    stack.let_go("handed-back")
    assert handed_back["status"] == "running"
    assert handed_back["lease_expires_at"] <= datetime.now(UTC)
    told = over(stack, task_id)
    assert (told["status"], told["attempts"]) == ("completed", 2)


@pytest.mark.req("TQ-41", "TQ-S12")
def test_redis_may_forget_everything_in_the_middle_of_a_task(stack: Stack) -> None:
    before = over(stack, stack.assign("test_task", {"duration_s": 0, "n": 1}))
    task_id = stack.assign_held("forgotten", steps=12, held_after=2)
    wait_until(lambda: "progress" in stack.kinds(task_id), timeout_s=PATIENCE_S)
    with stack.redis() as client:
        client.flushall()
    stack.let_go("forgotten")

    again = result(stack, before["task_id"])
    assert {**again, "timestamp": ""} == {**before, "timestamp": ""}
    told = over(stack, task_id)
    assert (told["status"], told["attempts"]) == ("completed", 1)
    assert len(told["logs"]) >= 12
    assert over(stack, stack.assign("test_task", {"duration_s": 0}))["status"] == "completed"


@pytest.mark.req("TQ-S12")
def test_without_redis_nothing_is_assigned_and_results_are_told(stack: Stack) -> None:
    before = over(stack, stack.assign("test_task", {"duration_s": 0, "n": 2}))
    stack.redis_kill()
    try:
        answer = stack.post("/assign-task/", {"task_type": "test_task"})
        assert (answer.status, answer.json()["code"]) == (503, "queue_unavailable")
        assert result(stack, before["task_id"])["status"] == "completed"
    finally:
        stack.redis_server.start()


@pytest.mark.req("TQ-45")
def test_two_beats_begin_each_moment_of_a_schedule_once(
    stack: Stack, second_beat: ServiceProcess
) -> None:
    """The last test, so that moments have come; at each of them one task began."""

    def begun() -> list[Any]:
        found = stack.rows(
            "SELECT created_at FROM agent_runs WHERE kind = 'task'"
            " AND input->>'schedule' = 'often' ORDER BY created_at"
        )
        return [row["created_at"] for row in found]

    wait_until(lambda: len(begun()) >= 2, timeout_s=PATIENCE_S)
    assert second_beat.is_running
    assert stack.beat.is_running
    assert all((b - a).total_seconds() > 5 for a, b in pairwise(begun()))
