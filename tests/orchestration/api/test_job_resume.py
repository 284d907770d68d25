from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from orchestration.models import FlowCall, Run
from orchestration.services.flow_calls import flow_call_begin, flow_call_wait
from orchestration.services.retention import run_contents_erase
from orchestration.services.run_end import run_fail
from orchestration.services.webhook_secrets import signature_headers
from taskmapr.core.errors import WorkerLost
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun


class Waiting:
    """A run whose workflow was called and answers later."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.token = flow_call_begin(run_id=run.pk, limit_s=60, may_repeat=False).token
        self.address = f"/jobs/job_{run.pk.hex}/resume?token={self.token}"

    @property
    def answer(self) -> Any:
        again = flow_call_begin(run_id=self.run.pk, limit_s=60, may_repeat=False)
        return again.answer

    @property
    def state(self) -> str:
        return FlowCall.objects.get(pk=self.run.pk).state


@pytest.fixture
def waiting(start: StartRun) -> Waiting:
    made = Waiting(start())
    flow_call_wait(run_id=made.run.pk, tool="flow:n8n")
    return made


@pytest.mark.req("IN-25")
@pytest.mark.parametrize(
    ("body", "kind", "answer"),
    [
        ({"done": [1, None]}, "application/json", {"done": [1, None]}),
        ("[1]", "application/json", [1]),
        ("", "application/json", {}),
        ("fertig", "text/plain; charset=utf-8", {"text": "fertig"}),
    ],
)
def test_takes_the_answer_without_an_account(
    call: Call, waiting: Waiting, body: Any, kind: str, answer: Any
) -> None:
    told = call("POST", waiting.address, body, user=None, content_type=kind)

    assert told.status == 200
    assert told.json == {"job_id": f"job_{waiting.run.pk.hex}", "status": "resumed"}
    assert waiting.answer == answer


@pytest.mark.req("IN-25")
def test_a_second_answer_is_refused(call: Call, waiting: Waiting) -> None:
    call("POST", waiting.address, {"n": 1}, user=None)

    again = call("POST", waiting.address, {"n": 2}, user=None)

    assert (again.status, again.json["code"]) == (403, "not_allowed")
    assert waiting.answer == {"n": 1}


@pytest.mark.req("IN-25")
@pytest.mark.parametrize("token", ["wrong", "", "x" * 5000, "%00"])
def test_a_wrong_token_changes_nothing(call: Call, waiting: Waiting, token: str) -> None:
    address = waiting.address.partition("token=")[0] + f"token={token}"

    refused = call("POST", address, {"n": 1}, user=None)

    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    assert waiting.state == "waiting"


@pytest.mark.req("IN-25")
def test_owners_and_strangers_need_the_token_as_well(
    call: Call, waiting: Waiting, cyd: Any
) -> None:
    address = waiting.address.partition("?")[0]

    assert call("POST", address, {"n": 1}).status == 403
    assert call("POST", address, {"n": 1}, user=cyd).status == 403
    assert waiting.state == "waiting"


@pytest.mark.req("IN-25")
def test_the_token_of_another_job_does_not_fit(
    call: Call, waiting: Waiting, start: StartRun
) -> None:
    other = Waiting(start(session_id="s-2"))

    refused = call("POST", f"{waiting.address.partition('=')[0]}={other.token}", {}, user=None)

    assert refused.status == 403
    assert (waiting.state, other.state) == ("waiting", "sent")


@pytest.mark.req("IN-25")
@pytest.mark.parametrize("job_id", ["job_" + "0" * 32, "job_x", "0" * 32])
def test_a_job_that_is_not_there(call: Call, job_id: str, db: None) -> None:
    missing = call("POST", f"/jobs/{job_id}/resume?token=x", {}, user=None)

    assert (missing.status, missing.json["code"]) == (404, "job_not_found")


@pytest.mark.req("IN-25")
def test_too_late_is_too_late(call: Call, waiting: Waiting) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    FlowCall.objects.filter(pk=waiting.run.pk).update(expires_at=past)

    assert call("POST", waiting.address, {}, user=None).status == 403
    assert waiting.state == "waiting"


def test_a_job_that_is_over_takes_no_answer(call: Call, waiting: Waiting) -> None:
    run_fail(run_id=waiting.run.pk, error=WorkerLost())

    assert call("POST", waiting.address, {}, user=None).status == 403


@pytest.mark.req("IN-40")
def test_a_signature_must_be_right_and_comes_beside_the_token(
    call: Call, waiting: Waiting, settings: Any
) -> None:
    secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
    settings.TASKMAPR = {**settings.TASKMAPR, "webhook_secret": secret}
    body = b'{"n": 1}'
    signed = signature_headers(message_id="msg_1", body=body, secrets=[secret])
    named = {name.replace("-", "_"): value for name, value in signed.items()}

    changed = call("POST", waiting.address, b'{"n": 2}', user=None, **named)
    without = call("POST", waiting.address.partition("?")[0], body, user=None, **named)
    right = call("POST", waiting.address, body, user=None, **named)

    assert (changed.status, changed.json["code"]) == (403, "invalid_signature")
    assert (without.status, without.json["code"]) == (403, "not_allowed")
    assert right.status == 200
    assert waiting.answer == {"n": 1}


def test_broken_json_is_refused(call: Call, waiting: Waiting) -> None:
    refused = call("POST", waiting.address, "{oh", user=None)

    assert (refused.status, refused.json["code"]) == (400, "invalid_json")
    assert waiting.state == "waiting"


def test_the_token_is_kept_as_a_hash_and_told_by_no_log(
    call: Call, waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    call("POST", waiting.address, {"n": 1}, user=None)

    row = FlowCall.objects.filter(pk=waiting.run.pk).values().get()
    assert waiting.token not in str(row)
    assert waiting.token not in caplog.text


@pytest.mark.req("IN-25")
def test_an_engine_may_answer_for_many_jobs_at_once(
    call: Call, start: StartRun, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "rate_limit_address_per_minute": 1}
    jobs = [Waiting(start(session_id=f"s-{n}")) for n in range(4)]

    statuses = [call("POST", job.address, {}, user=None).status for job in jobs]

    assert statuses == [200] * 4


def test_the_first_call_of_a_workflow_costs_one_statement(start: StartRun) -> None:
    run = start()

    with CaptureQueriesContext(connection) as queries:
        flow_call_begin(run_id=UUID(str(run.pk)), limit_s=5, may_repeat=False)

    assert len(queries) == 1


def test_the_answer_goes_with_the_contents_of_its_run(call: Call, waiting: Waiting) -> None:
    call("POST", waiting.address, {"n": 1}, user=None)

    with transaction.atomic():
        run_contents_erase([waiting.run.pk])

    assert FlowCall.objects.get(pk=waiting.run.pk).answer is None
