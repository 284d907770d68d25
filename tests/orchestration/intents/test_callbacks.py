"""A receiver that never takes what a job tells it, from POST /orchestrate on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from orchestration.delivering import delivery_send
from orchestration.models import Delivery
from orchestration.services.deliveries import deliveries_mark_due
from taskmapr.client import verify_webhook
from taskmapr.foundation.http import breakers
from taskmapr.foundation.http.breaker_states import circuit_reset
from tests.orchestration.callbacks import HERE, SECRET, claimed, make_due
from tests.orchestration.intents.conftest import Call
from tests.receiver import Receiver, Reply, receiving


@pytest.fixture
def receiver(settings: Any, redis_url: str) -> Iterator[Receiver]:
    """Of this machine, which may be called for once."""
    breakers.forget()
    settings.EGRESS_POLICY = HERE
    settings.TASKMAPR_AIO_INLINE = True
    settings.TASKMAPR = {**settings.TASKMAPR, "webhook_secret": SECRET}
    with receiving() as running:
        yield running


def attempt() -> None:
    """The next one, as if the hours before it were over: circuits are closed again by then."""
    deliveries_mark_due()
    make_due(Delivery.objects.get())
    async_to_sync(delivery_send)(claimed())
    circuit_reset("callback:127.0.0.1")


@pytest.mark.req("IN-S12")
def test_after_eight_attempts_it_has_failed_and_the_job_has_not(
    orchestrate: Call, call: Call, receiver: Receiver
) -> None:
    elsewhere = {"Location": receiver.url("/elsewhere")}
    receiver.replies = [Reply(status=302, headers=elsewhere), Reply(status=500)]
    answer = orchestrate("my.operation", {"param1": "x"}, callback_url=receiver.url("/told"))
    assert answer.status == 200
    path = f"/jobs/{answer.json['job_id']}"

    for number in range(1, 8):
        attempt()
        told = call("GET", path).json["callback"]
        assert (told["status"], told["attempts"]) == ("pending", number)
        assert told["next_attempt_at"] is not None
    attempt()

    job = call("GET", path).json
    assert (job["status"], job["callback"]["status"]) == ("success", "failed")
    assert (job["callback"]["attempts"], job["callback"]["last_status_code"]) == (8, 500)
    assert {sent.path for sent in receiver.received} == {"/told"}
    assert len({sent.headers["webhook-id"] for sent in receiver.received}) == 1
    for sent in receiver.received:
        body = verify_webhook(dict(sent.headers), sent.body, SECRET)
        assert (body["type"], body["data"]["status"]) == ("job.completed", "success")
