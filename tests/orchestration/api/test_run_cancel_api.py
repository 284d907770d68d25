from __future__ import annotations

from orchestration.models import Run
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun


def test_a_run_is_cancelled_once(call: Call, start: StartRun) -> None:
    run = start()
    path = f"/api/taskmapr/runs/{run.pk}/cancel"

    first, second = call("POST", path), call("POST", path)

    assert (first.status, first.json) == (202, {"ok": True, "run_id": str(run.pk)})
    assert (second.status, second.json["code"]) == (409, "already_finished")
    assert Run.objects.get().status == "cancelled"
