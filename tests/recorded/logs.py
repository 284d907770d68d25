"""Recorded runs: the logs that dialects and the fold are tested with.

`python -m tests.recorded.logs` writes them again, together with the frames that each dialect makes
of them. The files are the contract: read the difference before you commit it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.dialects.base import Frame
from orchestration.dialects.table import DIALECTS
from taskmapr.core import events as ev
from taskmapr.core.events import Event, data_of, kind_of

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "golden"
BEGIN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
PAGE = {"pathname": "/posts", "search": "?page=2", "hash": "", "title": "Posts"}
NAVIGATE = {"type": "navigate", "payload": {"path": "/tags"}}
HIGHLIGHT = {"type": "highlight", "payload": {"selectors": ["#tags"], "duration": 5000}}


def created(**changes: Any) -> ev.RunCreated:
    members = {"run_kind": "overlay", "model": "gpt-5-mini", "session_id": "s-1", "page": PAGE}
    return ev.RunCreated(**{**members, **changes})


def responded(step: int, *calls: tuple[str, str, dict[str, Any]]) -> ev.ModelResponded:
    asked = [{"call_id": i, "name": n, "arguments": json.dumps(a)} for i, n, a in calls]
    return ev.ModelResponded(
        step=step,
        model="gpt-5-mini",
        duration_ms=400,
        finish_reason="tool_calls" if calls else "stop",
        input_tokens=190,
        output_tokens=16,
        calls=asked,
    )


def totals(ms: int, read: int = 0, written: int = 0, **more: Any) -> ev.MetadataCollected:
    return ev.MetadataCollected(
        model="gpt-5-mini", processing_ms=ms, input_tokens=read, output_tokens=written, **more
    )


def finished(status: Any, ms: int, read: int = 0, written: int = 0, **more: Any) -> ev.RunFinished:
    return ev.RunFinished(
        status=status, duration_ms=ms, input_tokens=read, output_tokens=written, **more
    )


def plain_answer() -> Iterator[Any]:
    yield created()
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.TextDelta(text="Hello")
    yield ev.TextDelta(text=", Ada 👋\n")
    yield responded(1)
    yield totals(900, 190, 16)
    yield finished("succeeded", 900, 190, 16)


def tools_and_actions() -> Iterator[Any]:
    yield created(session_resumed=True, dropped=2)
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.ReasoningStarted()
    yield ev.ReasoningDelta(text="User wants ")
    yield ev.ReasoningDelta(text="tags")
    yield ev.ReasoningCompleted()
    yield responded(1, ("c1", "ui.navigate", {"path": "/tags"}))
    yield ev.ToolStarted(call_id="c1", tool="ui.navigate", step=1, args={"path": "/tags"})
    yield ev.UiActions(actions=[NAVIGATE], call_id="c1")
    yield ev.ToolCompleted(
        call_id="c1", tool="ui.navigate", ok=True, duration_ms=1, result={"queued": True}
    )
    yield responded(2, ("c2", "ui.highlight", {"selectors": ["#tags"]}))
    yield ev.ToolStarted(call_id="c2", tool="ui.highlight", step=2, args={"selectors": ["#tags"]})
    yield ev.UiActions(actions=[HIGHLIGHT], call_id="c2")
    yield ev.ToolCompleted(
        call_id="c2", tool="ui.highlight", ok=True, duration_ms=2, result={"queued": True}
    )
    yield ev.TextDelta(text="Here are the tags.")
    yield responded(3)
    yield totals(1830, 570, 48, first_output_ms=300)
    yield finished("succeeded", 1830, 570, 48)


def failed_in_reasoning() -> Iterator[Any]:
    yield created()
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.ReasoningStarted()
    yield ev.ReasoningDelta(text="Let me se")
    yield ev.ReasoningCompleted()
    yield ev.ErrorRaised(
        code="llm_unavailable", message="The language model is not reachable.", retryable=True
    )
    yield totals(6120)
    yield finished("failed", 6120, reason="llm_unavailable")


def cancelled_with_partial_text() -> Iterator[Any]:
    yield created()
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.TextDelta(text="Half an ans")
    yield totals(2000)
    yield finished("cancelled", 2000, reason="client_disconnected")


def cancelled_while_queued() -> Iterator[Any]:
    yield created()
    yield finished("cancelled", 40, reason="user")


def tool_failure() -> Iterator[Any]:
    args = {"collection": "guides", "api_key": "sk-1234", "nested": {"password": "hunter2"}}
    yield created()
    yield ev.RunStarted(attempt=1, worker="w1")
    yield responded(1, ("c1", "knowledge.read", args), ("c2", "knowledge.search", {"q": "x"}))
    yield ev.ToolStarted(call_id="c1", tool="knowledge.read", step=1, args=args)
    yield ev.ToolCompleted(
        call_id="c1", tool="knowledge.read", ok=False, duration_ms=12, error="Not found."
    )
    yield ev.ToolStarted(call_id="c2", tool="knowledge.search", step=1, args={"q": "x"})
    yield ev.ToolCompleted(
        call_id="c2",
        tool="knowledge.search",
        ok=True,
        duration_ms=30,
        result={"results": ["long " * 10] * 200},
    )
    yield ev.TextDelta(text="I could not read it.")
    yield responded(2)
    yield totals(2400, 380, 32)
    yield finished("succeeded", 2400, 380, 32)


def paused_and_resumed() -> Iterator[Any]:
    call = {"call_id": "c1", "tool": "device.run"}
    yield created()
    yield ev.RunStarted(attempt=1, worker="w1")
    yield responded(1, ("c1", "device.run", {"command": "ls"}))
    yield ev.ToolStarted(**call, step=1, args={"command": "ls"})
    yield ev.ApprovalRequested(
        approval_id="a1",
        asks="approval",
        expires_at="2026-01-05T11:00:00Z",
        fingerprint="f1",
        args={"command": "ls"},
        **call,
    )
    yield ev.RunPaused(approval_ids=["a1"])
    yield ev.ApprovalResolved(
        approval_id="a1", decision="approved", by="ada", fingerprint="f1", call_id="c1"
    )
    yield ev.RunResumed(by="ada")
    yield ev.RunStarted(attempt=2, worker="w2")
    yield ev.ToolCompleted(**call, ok=True, duration_ms=80, result="a.txt")
    yield ev.ProgressMade(fraction=0.5, text="half")
    yield ev.TextDelta(text="There is a.txt.")
    yield responded(2)
    yield totals(60_000, 380, 32)
    yield finished("succeeded", 60_000, 380, 32)


def retried_after_a_lost_worker() -> Iterator[Any]:
    call = {"call_id": "c1", "tool": "knowledge.search"}
    yield created()
    yield ev.RunStarted(attempt=1, worker="w1")
    yield responded(1, ("c1", "knowledge.search", {"q": "tags"}))
    yield ev.ToolStarted(**call, step=1, args={"q": "tags"})
    yield ev.RunRetrying(attempt=2, reason="worker_lost")
    yield ev.RunStarted(attempt=2, worker="w2")
    yield ev.ToolCompleted(**call, ok=True, duration_ms=5, replayed=True, result={"results": []})
    yield ev.TextDelta(text="Nothing found.")
    yield responded(2)
    yield totals(30_000, 380, 32)
    yield finished("succeeded", 30_000, 380, 32)


def timed_out() -> Iterator[Any]:
    yield created(persistence="memory", warnings=["The session is not stored."])
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.LogWritten(level="warning", text="slow")
    yield ev.ToolStarted(call_id="c1", tool="mcp.wait", step=1)
    yield ev.ToolCompleted(
        call_id="c1", tool="mcp.wait", ok=False, duration_ms=299_000, error="Timed out."
    )
    yield ev.ErrorRaised(code="timed_out", message="The run took longer than allowed.")
    yield totals(300_000, warnings=["mcp.wait was given up"])
    yield finished("timed_out", 300_000)


def tool_crashed() -> Iterator[Any]:
    """What only staff see of a tool that broke."""
    call = {"call_id": "c1", "tool": "my.tool"}
    yield created(run_kind="intent", model="", session_id=None, page=None, subject="my.tool")
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.ToolStarted(**call)
    yield ev.ToolCrashed(
        **call,
        exception="RuntimeError",
        stack='RuntimeError\n  File "my_tool.py", line 3, in marigold\n',
        message="RuntimeError: no marigold",
    )
    yield ev.ToolCompleted(**call, ok=False, duration_ms=3, error="Tool failed")
    yield ev.ErrorRaised(code="tool_failed", message="Tool failed", status=500)
    yield totals(5)
    yield finished("failed", 5)


def task_with_files() -> Iterator[Any]:
    """A queued task: tried twice, with lines, pictures and a file."""
    yield created(run_kind="task", model="", session_id=None, page=None, subject="test_task")
    yield ev.RunStarted(attempt=1, worker="w1")
    yield ev.LogWritten(level="info", text="step 1 of 2")
    yield ev.ProgressMade(fraction=0.29, text="step 1 of 2")
    yield ev.RunRetrying(
        attempt=2, reason="unhandled_exception", delay_s=1.7, error="The site was slow."
    )
    yield ev.RunStarted(attempt=2, worker="w2")
    yield ev.ArtifactStored(
        artifact_id="f1",
        media_type="image/png",
        size_bytes=812,
        name="step-2.png",
        role="screenshot",
        label="success",
        width=1280,
        height=800,
    )
    yield ev.ArtifactStored(
        artifact_id="f2", media_type="text/html", size_bytes=90, name="page.html", role="private"
    )
    yield ev.ArtifactStored(
        artifact_id="f3", media_type="text/csv", size_bytes=9, name="report.csv", sha256="ab"
    )
    yield ev.ProgressMade(fraction=1, text="done")
    yield ev.ResultGiven(value={"echo": {"test": True}})
    yield totals(900)
    yield finished("succeeded", 900)


RUNS = {
    run.__name__: run
    for run in (
        plain_answer,
        tools_and_actions,
        failed_in_reasoning,
        cancelled_with_partial_text,
        cancelled_while_queued,
        tool_failure,
        paused_and_resumed,
        retried_after_a_lost_worker,
        timed_out,
        task_with_files,
        tool_crashed,
    )
}


def numbered(payloads: Iterable[Any], run_id: UUID) -> list[Event]:
    """The payloads as one run's events, 100 ms apart, checked against the catalogue."""
    log = []
    for seq, payload in enumerate(payloads, start=1):
        kind, data = kind_of(payload), data_of(payload)
        kind.parse(data)
        at = BEGIN + timedelta(milliseconds=100 * (seq - 1))
        log.append(Event(run_id, seq, kind.name, data, at))
    return log


def recorded(name: str) -> list[Event]:
    """The events of one recorded run."""
    lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    return [event_of(json.loads(line)) for line in lines]


def event_of(row: dict[str, Any]) -> Event:
    at = datetime.fromisoformat(row["at"])
    return Event(UUID(row["run_id"]), row["seq"], row["kind"], row["data"], at)


def row_of(event: Event) -> dict[str, Any]:
    return {
        "run_id": str(event.run_id),
        "seq": event.seq,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "data": event.data,
    }


def frame_row(frame: Frame) -> dict[str, Any]:
    return {"id": frame.id, "data": frame.data}


def golden(name: str, dialect: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / f"{name}.{dialect}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def frames_of(events: Iterable[Event], dialect: str, run_id: UUID) -> list[Frame]:
    """Everything that a reader from the first event on is sent."""
    projection = DIALECTS[dialect](run_id)
    frames = projection.open()
    for event in events:
        frames += projection.feed(event)
    return frames + projection.close()


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for number, (name, run) in enumerate(RUNS.items(), start=1):
        run_id = UUID(int=0x019B_8D0A_0000_7000_8000 << 48 | number)
        events = numbered(run(), run_id)
        write(FOLDER / f"{name}.jsonl", map(row_of, events))
        for dialect in DIALECTS:
            frames = frames_of(events, dialect, run_id)
            write(GOLDEN / f"{name}.{dialect}.jsonl", map(frame_row, frames))


if __name__ == "__main__":
    main()
