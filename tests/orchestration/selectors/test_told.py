"""What callbacks tell of intents is what their owner gets, and nothing of it lies in the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from orchestration.delivering import delivery_send
from orchestration.models import Delivery
from orchestration.services.deliveries import deliveries_claim, delivery_register
from orchestration.services.run_record import OwnCall, run_record
from orchestration.services.run_start import NewRun
from taskmapr.client import verify_webhook
from taskmapr.core.ids import uuid7
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from tests.orchestration.callbacks import HERE, SECRET
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings: Any, redis_url: str) -> Iterator[Receiver]:
    settings.EGRESS_POLICY = HERE
    settings.TASKMAPR_AIO_INLINE = True
    settings.TASKMAPR = {**settings.TASKMAPR, "webhook_secret": SECRET}
    with receiving() as running:
        yield running


def recorded(owner: User, url: str) -> str:
    """A job of the owner's that is over, with a callback."""
    new = NewRun(
        run_id=uuid7(),
        kind="intent",
        owner_id=owner.pk,
        session_id=None,
        input={"intent": "memory.write", "inputs": {"text": "violets"}, "callback_url": url},
        subject="memory.write",
        mode="agent",
        mode_reason="default 2",
    )
    call = OwnCall(
        call_id="c1", tool="memory.write", args={}, perform=lambda: {"item_id": "violets-1"}
    )
    run_record(new, call)
    delivery_register(run_id=new.run_id, url=url)
    return f"job_{new.run_id.hex}"


@pytest.mark.req("IN-40", "IN-51")
async def test_a_job_is_told_as_its_owner_sees_it(ada: User, receiver: Receiver) -> None:
    job_id = await in_database(recorded, ada, receiver.url())
    (held,) = await in_database(deliveries_claim, 10)

    await delivery_send(held)

    (request,) = receiver.received
    told = verify_webhook(request.headers, request.body, SECRET)
    assert told["type"] == "job.completed"
    data = told["data"]
    assert (data["job_id"], data["status"], data["intent"]) == (job_id, "success", "memory.write")
    assert data["result"] == {"item_id": "violets-1"}
    assert data["callback_url"] == receiver.url()
    assert data["callback"]["status"] == "pending"
    delivered = await in_database(Delivery.objects.get)
    assert delivered.status == "delivered"


async def test_nothing_of_it_lies_in_the_outbox(ada: User, receiver: Receiver) -> None:
    await in_database(recorded, ada, receiver.url())
    (held,) = await in_database(deliveries_claim, 10)
    await delivery_send(held)

    def stored() -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(d::text, ' ') || string_agg(a::text, ' ')"
                " FROM agent_deliveries d JOIN agent_delivery_attempts a ON a.delivery_id = d.id"
            )
            return str(cursor.fetchone()[0])

    assert "violets" not in await in_database(stored)
