from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import Storage

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from orchestration.dialects.table import DIALECTS
from orchestration.execution import task_runners
from orchestration.execution.drive import HeldRun
from orchestration.models import Artifact
from orchestration.selectors.artifacts import log_of_task
from orchestration.selectors.tasks import task_document
from taskmapr.core.task_types import (
    Permanent,
    Retryable,
    TaskContext,
    TaskInterrupted,
    TaskType,
)
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry
from tests.orchestration.logs import assert_replay_equals_row
from tests.orchestration.tasks.conftest import Execute, threads_end
from tests.recorded.logs import frames_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
Params = dict[str, Any]


@pytest.mark.req("TQ-14")
def test_a_sync_function_speaks_in_order(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        ctx.log("info", "first")
        ctx.screenshot("page.png", PNG, "success")
        ctx.progress(50, "half")
        ctx.artifact("report.csv", b"a,b", "text/csv")
        ctx.log("warning", "last")
        return {"attempt": ctx.attempt, "given": params}

    ended = execute(work, {"n": 1})

    assert ended.end == ("succeeded", "")
    kinds = [event.kind for event in ended.events[2:9]]
    assert kinds == ["log", "artifact", "progress", "artifact", "log", "result", "artifact"]
    assert ended.result == {"attempt": 1, "given": {"n": 1}}
    assert [a["name"] for a in ended.of("artifact")] == ["page.png", "report.csv", "task.log"]
    assert_replay_equals_row(ended.run)


@pytest.mark.req("TQ-18")
def test_an_async_function_shares_the_loop(execute: Execute) -> None:
    async def work(params: Params, ctx: TaskContext) -> Any:
        ctx.progress(10)
        await asyncio.sleep(0)
        return asyncio.get_running_loop() is not None

    ended = execute(work)

    assert (ended.end, ended.result) == (("succeeded", ""), True)
    assert ended.of("progress") == [{"fraction": 0.1}]


@pytest.mark.req("TQ-20")
def test_all_lines_are_in_the_log_file(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        ctx.log("info", f"line of attempt {ctx.attempt}")
        if ctx.attempt < 3:
            raise Retryable("once more")

    ended = execute(work)

    assert ended.end == ("succeeded", "")
    file, data = log_of_task(ended.run.pk)
    assert [(a["size_bytes"], a["sha256"]) for a in ended.of("artifact")] == [
        (len(data), file.sha256)
    ]
    lines = data.decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"INFO [attempt {n}] line of attempt {n}" for n in (1, 2, 3)
    ]


@pytest.mark.req("TQ-15")
def test_waits_grow_until_it_succeeds(execute: Execute) -> None:
    ended = execute("test_task", {"duration_s": 0, "succeed_on_attempt": 4})

    assert (ended.end, ended.run.attempt) == (("succeeded", ""), 4)
    waits = [retry["delay_s"] for retry in ended.of("run.retrying")]
    assert len(waits) == 3
    assert sorted(waits) == waits
    assert [retry["attempt"] for retry in ended.of("run.retrying")] == [2, 3, 4]
    assert {retry["error"] for retry in ended.of("run.retrying")} == {
        "The test task failed, as asked."
    }


@pytest.mark.req("TQ-15")
def test_a_long_wait_is_left_to_whoever_looks_for_due_runs(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        raise Retryable("busy", after_s=60)

    ended = execute(work)

    assert ended.run.status == "retrying"
    assert ended.run.due_at is not None
    assert ended.of("run.retrying")[0]["delay_s"] == 60


@pytest.mark.req("TQ-15")
def test_after_the_last_attempt_it_fails(execute: Execute) -> None:
    ended = execute("test_task", {"duration_s": 0, "fail": "retryable"}, {"max_retries": 1})

    assert (ended.end, ended.run.attempt) == (("failed", "retries_exhausted"), 2)
    assert_replay_equals_row(ended.run)


@pytest.mark.req("TQ-15")
def test_what_changed_the_world_is_not_tried_again(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        ctx.effect_begin("approve batch 1")
        ctx.partial({"approved": 1})
        raise Retryable("gone")

    ended = execute(work, is_idempotent=False)

    assert (ended.end, ended.run.attempt) == (("failed", "retries_exhausted"), 1)
    assert ended.result == {"approved": 1}


@pytest.mark.req("TQ-14", "TQ-27")
def test_a_permanent_failure_is_one_attempt(execute: Execute) -> None:
    ended = execute("test_task", {"duration_s": 0, "fail": "permanent"})

    assert (ended.end, ended.run.attempt) == (("failed", "test_failed"), 1)


@pytest.mark.req("TQ-14")
@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (ConnectionResetError("peer"), "retries_exhausted", 2),
        (TimeoutError("late"), "retries_exhausted", 2),
        (ValueError("seven"), "unhandled_exception", 1),
        (SystemExit(1), "unhandled_exception", 1),
        (Permanent("login_failed", "No."), "login_failed", 1),
    ],
)
def test_only_listed_exceptions_are_tried_again(
    execute: Execute, error: BaseException, code: str, attempts: int
) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        raise error

    ended = execute(work, max_retries=1)

    assert (ended.end, ended.run.attempt) == (("failed", code), attempts)


@pytest.mark.req("TQ-14", "IN-28")
def test_a_stack_is_for_staff_alone(execute: Execute) -> None:
    secret_save(secret=Secret(name="esc", value="open sesame"), by="root")

    def work(params: Params, ctx: TaskContext) -> None:
        said = ctx.secret("esc")
        raise ValueError(f"seven of {said}" + "x" * 100_000)

    ended = execute(work)

    (file,) = ended.of("artifact")
    assert file["role"] == "private"
    stack = Artifact.objects.get(pk=file["artifact_id"]).file.read()
    assert stack.startswith(b"Traceback")
    assert b"in work" in stack
    assert b"open sesame" not in stack
    assert len(stack) <= 16 * 1024
    assert "Traceback" not in ended.run.error_message
    assert "seven of [redacted]" in ended.run.error_message
    told = orjson.dumps(task_document(ended.run.pk))
    streams = [str(frames_of(ended.events, name, ended.run.pk)) for name in DIALECTS]
    for body in (told.decode(), *streams):
        assert "seven of [redacted]" in body
        for hidden in ("Traceback", "in work", "exception-1"):
            assert hidden not in body


@pytest.mark.req("TQ-16")
def test_at_the_limit_a_function_may_say_goodbye(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        try:
            while True:
                ctx.check_cancelled()
                time.sleep(0.01)
        except TaskInterrupted as stop:
            ctx.screenshot("last.png", PNG, "error")
            ctx.log("info", stop.why)
            raise

    ended = execute(work, timeout_s=0.1)

    assert ended.end == ("timed_out", "time_limit")
    assert [line["text"] for line in ended.of("log")] == ["time_limit"]
    assert ended.of("artifact")[0]["name"] == "last.png"
    assert_replay_equals_row(ended.run)


@pytest.mark.req("TQ-16")
def test_a_function_that_does_not_stop_is_left_alone(execute: Execute) -> None:
    released = threading.Event()

    def work(params: Params, ctx: TaskContext) -> None:
        released.wait(30)

    ended = execute(work, timeout_s=0.05)
    released.set()

    assert ended.end == ("timed_out", "time_limit")
    assert ended.of("log")[-1]["text"] == "It did not stop and was left alone."


@pytest.mark.req("TQ-17", "TQ-18")
def test_one_that_was_over_before_a_thread_was_free_never_begins(
    start: StartRun, of_type: Callable[..., TaskType], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, begun = threading.Semaphore(0), threading.Event()
    monkeypatch.setattr(task_runners, "_free_threads", threads)
    of_type(lambda params, ctx: begun.set())
    run = start(kind="task", subject="trial", session_id=None, prompt="", input={}, timeout_s=0.2)

    async def scene() -> None:
        await run_carry(run.pk)
        threads.release()
        await threads_end(f"task-{run.pk}")

    async_to_sync(scene)()

    assert refreshed(run).status == "timed_out"
    assert not begun.is_set()


@pytest.mark.req("TQ-19")
def test_what_is_done_while_its_worker_stops_counts(
    start: StartRun, of_type: Callable[..., TaskType]
) -> None:
    begun = threading.Event()

    def work(params: Params, ctx: TaskContext) -> str:
        begun.set()
        try:
            while True:
                ctx.check_cancelled()
                time.sleep(0.01)
        except TaskInterrupted:
            return "the last step was done all the same"

    async def worker_stops(held: HeldRun) -> None:
        await asyncio.to_thread(begun.wait, 20)
        held.hand_back()

    of_type(work)
    run = start(kind="task", subject="trial", session_id=None, prompt="", input={})
    async_to_sync(run_carry)(run.pk, meanwhile=worker_stops)

    assert refreshed(run).status == "succeeded"
    assert task_document(run.pk)["result"] == "the last step was done all the same"


@pytest.mark.req("TQ-16")
def test_an_async_function_is_cancelled_at_its_limit(execute: Execute) -> None:
    async def work(params: Params, ctx: TaskContext) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ctx.log("info", "leaving")

    ended = execute(work, {}, {"timeout_s": 0.05})

    assert ended.end == ("timed_out", "time_limit")
    assert [line["text"] for line in ended.of("log")] == ["leaving"]


@pytest.mark.req("TQ-14")
def test_secrets_are_read_by_name_and_masked(execute: Execute) -> None:
    secret_save(secret=Secret(name="esc", value="open sesame"), by="root")

    def work(params: Params, ctx: TaskContext) -> None:
        ctx.log("info", f"with {ctx.secret('esc')}")
        ctx.secret("none")

    ended = execute(work)

    assert ended.of("log")[0]["text"] == "with [redacted]"
    assert ended.end == ("failed", "credentials_missing")


@pytest.mark.req("TQ-30", "TQ-31")
def test_what_a_function_hides_is_in_no_word_of_its_run(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        for secret in ("sesame", "open sesame", ""):
            ctx.hide(secret)
        ctx.log("info", "with open sesame")
        ctx.progress(10, "at sesame's")
        ctx.effect_begin("opening by open sesame")
        raise KeyError("not open sesame")

    ended = execute(work)

    assert ended.end == ("failed", "unhandled_exception")
    assert ended.of("log")[0]["text"] == "with [redacted]"
    assert "[redacted]" in ended.run.error_message
    assert "sesame" not in str(ended.events) + ended.run.error_message
    stack = Artifact.objects.get(role="private").file.read()
    assert b"not [redacted]" in stack


@pytest.mark.req("TQ-14")
def test_a_file_is_kept_by_its_path(execute: Execute, tmp_path: Path) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        source = tmp_path / "source.bin"
        source.write_bytes(b"abc")
        ctx.artifact("copy.bin", source, "application/octet-stream", is_private=True)
        source.unlink()

    ended = execute(work)

    assert ended.end == ("succeeded", "")
    assert [(a["name"], a["role"], a["size_bytes"]) for a in ended.of("artifact")] == [
        ("copy.bin", "private", 3)
    ]


def test_a_file_that_cannot_be_kept_is_a_warning(execute: Execute) -> None:
    def work(params: Params, ctx: TaskContext) -> None:
        ctx.artifact("../etc", b"x", "text/plain")
        ctx.screenshot("page.png", b"<html>")

    ended = execute(work)

    assert ended.end == ("succeeded", "")
    assert [line["level"] for line in ended.of("log")] == ["warning", "warning"]


class _Full(Storage):
    """A storage that takes nothing."""

    def _save(self, name: str, content: Any) -> str:
        raise ConnectionError("http://inside.example.org/bucket")

    def exists(self, name: str) -> bool:
        return False


@pytest.mark.req("TQ-21")
def test_without_a_storage_each_file_is_a_warning_and_the_task_goes_on(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Artifact._meta.get_field("file"), "storage", _Full())

    def work(params: Params, ctx: TaskContext) -> None:
        ctx.artifact("report.csv", b"a,b", "text/csv")
        raise KeyError("its stack is a file as well")

    ended = execute(work)

    assert ended.end == ("failed", "unhandled_exception")
    told = [line["text"] for line in ended.of("log")]
    why = "The storage of files does not answer. Try again soon."
    assert told == [f"report.csv: {why}", f"exception-1.txt: {why}"]


@pytest.mark.req("TQ-23")
def test_a_large_result_that_no_storage_takes_is_a_failure_that_says_so(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Artifact._meta.get_field("file"), "storage", _Full())

    ended = execute(lambda params, ctx: {"text": "x" * 1_100_000})

    assert ended.end == ("failed", "result_not_kept")
    assert "storage of files does not answer" in ended.run.error_message


@pytest.mark.req("TQ-23")
def test_a_large_result_is_a_file(execute: Execute) -> None:
    ended = execute(lambda params, ctx: {"text": "x" * 1_100_000})

    assert ended.result == {"truncated": True}
    assert [a["name"] for a in ended.of("artifact")] == ["result.json"]


def test_a_result_that_is_no_json_fails(execute: Execute) -> None:
    ended = execute(lambda params, ctx: {"what": object()})

    assert ended.end == ("failed", "unhandled_exception")


@pytest.mark.req("TQ-11")
def test_a_type_that_is_gone_fails(execute: Execute) -> None:
    assert execute("never_heard_of").end == ("failed", "unknown_task_type")


@pytest.mark.req("TQ-27")
def test_the_test_task_does_what_it_says(execute: Execute) -> None:
    ended = execute("test_task", {"test": True, "duration_s": 0, "screenshot": True})

    assert ended.result["echo"] == {"test": True, "duration_s": 0, "screenshot": True}
    assert (ended.result["message"], ended.result["attempt"]) == ("Test task completed", 1)
    assert [p["fraction"] for p in ended.of("progress")] == [0.33, 0.66, 1.0]
    assert [line["text"] for line in ended.of("log")] == [f"step {n} of 3" for n in (1, 2, 3)]
    assert [a["media_type"] for a in ended.of("artifact")] == ["image/png", "text/plain"]
    assert (ended.of("artifact")[0]["width"], ended.of("artifact")[0]["height"]) == (320, 200)
