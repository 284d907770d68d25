"""A reader whose run nobody takes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from taskmapr.core import wired
from taskmapr.core.ports import WorkerInfo
from tests.fakes import RecordingSignals
from tests.orchestration.api.conftest import Call

WORKER = WorkerInfo(worker_id="w1", running=5, slots=5, host="h", pid=1)


@dataclass
class SignsOfLife(RecordingSignals):
    """At each look, the next of these workers lives; a look too many fails."""

    looks: list[WorkerInfo] = field(default_factory=list)

    def workers(self) -> list[WorkerInfo]:
        return [self.looks.pop(0)]


@pytest.mark.req("OV-64")
def test_waits_for_workers_of_its_queue_and_for_no_others(call: Call, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "no_worker_after_s": 0, "heartbeat_s": 0.02}
    of_its_queue = replace(WORKER, queues=("chores", "runs.overlay"))
    of_another = replace(WORKER, queues=("chores",))
    signals = SignsOfLife(looks=[WORKER, of_its_queue, *[of_another] * 50])
    wired.wire(replace(wired.ports(), signals=signals))

    answer = call("POST", "/api/taskmapr/orchestrate", {"prompt": "Hi"})

    assert [f["data"]["code"] for f in answer.frames if f["type"] == "error"] == ["no_worker"]
    assert set(signals.looks) == {of_another}, (
        "it was given up before its queue was without a worker"
    )
