"""Tasks in processes of their own: what they say arrives, and nothing of them is left over."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync

from orchestration.execution.task_process import InProcess
from orchestration.log.store import events_after
from orchestration.services.task_confirm import task_confirm
from taskmapr.core.task_types import task_types
from tests.modelserver.process import wait_until
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry
from tests.orchestration.logs import assert_replay_equals_row
from tests.orchestration.tasks.conftest import Execute, threads_end


@pytest.fixture(scope="module", autouse=True)
def _types() -> Iterator[None]:
    """Known here and in the processes, whose server reads the environment once."""
    name = "tests.orchestration.tasks.process_types"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TASKMAPR_TOOL_MODULES", name)
        from tests.orchestration.tasks.process_types import TYPES

        for task_type in TYPES:
            if task_types.get(task_type.name) is None:
                task_types.add(task_type)
        yield
        task_types.remove(task_type.name for task_type in TYPES)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.req("TQ-18", "TQ-14")
def test_it_has_a_session_of_its_own_and_speaks_in_order(execute: Execute) -> None:
    ended = execute("child.speaks")

    assert ended.end == ("succeeded", "")
    assert ended.result["pid"] == ended.result["session"] != os.getpid()
    assert [event.kind for event in ended.events[2:9]] == [
        "log",
        "artifact",
        "effect.begun",
        "result",
        "log",
        "result",
        "artifact",
    ]
    assert is_gone(ended.result["pid"])
    assert_replay_equals_row(ended.run)


@pytest.mark.req("TQ-46")
def test_one_that_waits_for_a_person_holds_no_process(execute: Execute) -> None:
    waiting = execute("child.asks").run
    assert waiting.status == "paused"

    task_confirm(task=waiting, is_approved=True, by="Root")
    async_to_sync(run_carry)(waiting.pk)

    ended = refreshed(waiting)
    assert (ended.status, ended.attempt) == ("succeeded", 2)
    (result,) = (e.data["value"] for e in events_after(ended.pk, 0) if e.kind == "result")
    assert result == {"decision": "approved", "by": "Root", "has_asked": True}
    assert_replay_equals_row(ended)


@pytest.mark.req("TQ-18")
def test_async_functions_get_a_loop_there(execute: Execute) -> None:
    ended = execute("child.async")

    assert (ended.end, ended.result != os.getpid()) == (("succeeded", ""), True)


@pytest.mark.req("TQ-16")
def test_an_async_function_is_cancelled_there(execute: Execute) -> None:
    ended = execute("child.async", {"sleep_s": 60}, {"timeout_s": 0.3})

    assert ended.end == ("timed_out", "time_limit")


@pytest.mark.req("TQ-15")
@pytest.mark.parametrize(
    ("how", "code", "attempts"),
    [
        ("retryable", "retries_exhausted", 2),
        ("crash", "worker_lost", 2),
        ("other", "unhandled_exception", 1),
    ],
)
def test_its_failures_are_understood(execute: Execute, how: str, code: str, attempts: int) -> None:
    ended = execute("child.fails", {"how": how})

    assert (ended.end, ended.run.attempt) == (("failed", code), attempts)


@pytest.mark.req("TQ-16")
def test_at_the_limit_it_may_say_goodbye(execute: Execute) -> None:
    ended = execute("child.polite")

    assert ended.end == ("timed_out", "time_limit")
    assert [a["name"] for a in ended.of("artifact")] == ["last.png", "task.log"]
    assert ended.of("log")[0]["text"] == "time_limit"


@pytest.mark.req("TQ-16", "TQ-17")
def test_past_the_limit_it_is_killed_with_all_that_it_started(
    execute: Execute, tmp_path: Path
) -> None:
    file = tmp_path / "pids"

    ended = execute("child.deaf", {"file": str(file)}, {"timeout_s": 0.5})

    assert ended.end == ("timed_out", "time_limit")
    for pid in map(int, file.read_text().split()):
        wait_until(lambda pid=pid: is_gone(pid), timeout_s=20)  # type: ignore[misc]
    assert ended.result == {"started": int(file.read_text().split()[1])}


@pytest.mark.req("TQ-17", "TQ-18")
def test_one_that_was_over_before_its_process_began_never_begins(
    start: StartRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, may_begin, begin = tmp_path / "pids", threading.Event(), InProcess._lived
    monkeypatch.setattr(InProcess, "_lived", lambda self: may_begin.wait(20) and begin(self))
    given = {"params": {"file": str(file)}}
    run = start(
        kind="task", subject="child.deaf", session_id=None, prompt="", input=given, timeout_s=0.2
    )

    async def scene() -> None:
        await run_carry(run.pk)
        may_begin.set()
        await threads_end(f"task-{run.pk}")

    async_to_sync(scene)()

    assert refreshed(run).status == "timed_out"
    assert not file.exists()


def test_what_a_function_forgot_is_ended_with_it(execute: Execute) -> None:
    ended = execute("child.forgets")

    assert ended.end == ("succeeded", "")
    wait_until(lambda: is_gone(ended.result), timeout_s=20)
