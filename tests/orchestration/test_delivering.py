"""Callbacks to real receivers: what they get, and what comes of what they answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now
from redis import Redis
from standardwebhooks import Webhook

from orchestration.delivering import Courier, delivery_send
from orchestration.models import Delivery, DeliveryAttempt, Run
from orchestration.selectors.deliveries import callback_summary
from orchestration.services.deliveries import delivery_register
from taskmapr.core import jobs, wired
from taskmapr.core.ports import CallbackAnswer
from taskmapr.foundation import aio
from taskmapr.foundation.http.exchange import guarded_request
from taskmapr.foundation.http.guard import EgressPolicy
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.callbacks import (
    HERE,
    SECRET,
    claimed,
    ended,
    make_due,
    registered,
    told,
)
from tests.receiver import Receiver, Reply, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rules(settings: Any, redis_url: str) -> Iterator[None]:
    """Receivers of this machine may be asked, and no circuit is open from other tests."""
    Redis.from_url(redis_url).flushdb()
    settings.EGRESS_POLICY = HERE
    settings.TASKMAPR_AIO_INLINE = True
    settings.TASKMAPR = {
        **settings.TASKMAPR,
        "webhook_secret": SECRET,
        "callback_timeout_s": 10.0,
    }
    with told():
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def refreshed(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


async def attempt(delivery: Delivery) -> Delivery:
    """One attempt, at once. Awaits the state that it leaves."""
    await aio.in_database(make_due, delivery)
    held = await aio.in_database(claimed)
    await delivery_send(held)
    return await aio.in_database(refreshed, delivery)


async def begun(owner: User, url: str, **changes: Any) -> Delivery:
    return await aio.in_database(lambda: registered(ended(owner, **changes), url))


@pytest.mark.req("IN-40")
@pytest.mark.parametrize(
    ("status", "told_type"),
    [
        ("succeeded", "job.completed"),
        ("failed", "job.failed"),
        ("timed_out", "job.failed"),
        ("cancelled", "job.cancelled"),
    ],
)
async def test_tells_the_end_signed(
    ada: User, receiver: Receiver, status: str, told_type: str
) -> None:
    delivery = await begun(ada, receiver.url("/hook?x=1"), status=status)

    done = await attempt(delivery)

    (request,) = receiver.received
    assert (done.status, done.attempts, done.last_status_code) == ("delivered", 1, 200)
    assert (request.method, request.path) == ("POST", "/hook?x=1")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == delivery.message_id
    body = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert body["type"] == told_type
    assert body["data"] == {
        "job_id": f"job_{delivery.run_id.hex}",
        "status": status,
        "result": {"answer": 42},
    }
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None


@pytest.mark.req("IN-41")
async def test_500_500_200_is_three_attempts_of_one_message(ada: User, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=500), Reply(status=500), Reply(status=200)]
    delivery = await begun(ada, receiver.url())

    states = [(await attempt(delivery)).status for _ in range(3)]

    assert states == ["pending", "pending", "delivered"]
    assert {r.headers["webhook-id"] for r in receiver.received} == {delivery.message_id}
    assert len(receiver.received) == 3
    for request in receiver.received:
        Webhook(SECRET).verify(request.body, dict(request.headers))


@pytest.mark.req("IN-41")
async def test_always_500_is_eight_attempts_then_failed(
    ada: User, receiver: Receiver, redis_url: str
) -> None:
    receiver.replies = [Reply(status=500)]
    delivery = await begun(ada, receiver.url())

    for _ in range(8):
        done = await attempt(delivery)
        # Hours lie between attempts, after which no circuit is open any more.
        await asyncio.to_thread(Redis.from_url(redis_url).flushdb)

    assert (done.status, done.attempts) == ("failed", 8)
    assert len(receiver.received) == 8
    assert (await aio.in_database(callback_summary, done.run_id))["status"] == "failed"
    status = await aio.in_database(lambda: refreshed(delivery).run.status)
    assert status == "succeeded"


@pytest.mark.req("IN-42")
async def test_a_redirect_is_a_failure_and_not_followed(ada: User, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=302, headers={"Location": receiver.url("/elsewhere")})]

    done = await attempt(await begun(ada, receiver.url()))

    assert (done.status, done.last_status_code) == ("pending", 302)
    assert [request.path for request in receiver.received] == ["/hook"]


@pytest.mark.req("IN-41")
async def test_410_is_the_last_attempt(ada: User, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=410)]

    done = await attempt(await begun(ada, receiver.url()))

    assert (done.status, done.last_status_code) == ("disabled", 410)


@pytest.mark.req("IN-41")
async def test_waits_as_long_as_the_receiver_asks(ada: User, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=503, headers={"Retry-After": "900"})]

    done = await attempt(await begun(ada, receiver.url()))

    assert done.next_attempt_at is not None
    pause = done.next_attempt_at - datetime.now(UTC)
    assert timedelta(seconds=840) < pause <= timedelta(seconds=900)


@pytest.mark.req("IN-41")
async def test_a_slow_receiver_failed(ada: User, receiver: Receiver, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "callback_timeout_s": 0.3}
    receiver.replies = [Reply(until=threading.Event())]

    done = await attempt(await begun(ada, receiver.url()))

    note = await aio.in_database(DeliveryAttempt.objects.get)
    assert (done.status, done.last_status_code) == ("pending", None)
    assert note.error.startswith("timed_out")


async def test_nobody_there_failed(ada: User) -> None:
    with receiving() as gone:
        url = gone.url()

    done = await attempt(await begun(ada, url))

    note = await aio.in_database(DeliveryAttempt.objects.get)
    assert (done.status, note.status_code) == ("pending", None)
    assert note.error == "upstream_error: The host does not accept connections."


@pytest.mark.req("IN-43")
async def test_a_name_that_has_moved_here_is_refused_without_a_connection(
    ada: User, receiver: Receiver, settings: Any
) -> None:
    policy = EgressPolicy.of([], [f"hooks.example.com:{receiver.port}"])

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def post(url: str, *, headers: Any, body: bytes, timeout_s: float) -> CallbackAnswer:
        answer = await guarded_request(
            "POST", url, policy=policy, deadline_s=timeout_s, body=body, lookup=here
        )
        return CallbackAnswer(status=answer.status, headers=answer.headers, body=answer.body)

    with posting(post):
        done = await attempt(await begun(ada, receiver.url(host="hooks.example.com")))

    note = await aio.in_database(DeliveryAttempt.objects.get)
    assert receiver.received == []
    assert (done.status, done.last_status_code) == ("pending", None)
    assert note.error.startswith("address_not_allowed")


@contextmanager
def posting(post: Any) -> Iterator[None]:
    from dataclasses import replace

    before = wired.ports()
    wired.wire(replace(before, callback_post=lambda: post))
    try:
        yield
    finally:
        wired.wire(before)


async def test_what_cannot_be_told_counts_as_an_attempt(
    ada: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run_id: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    monkeypatch.setattr("tests.orchestration.callbacks.job_told", broken)

    done = await attempt(await begun(ada, receiver.url()))

    note = await aio.in_database(DeliveryAttempt.objects.get)
    assert (done.status, done.attempts, note.error) == (
        "pending",
        1,
        "not_made: ZeroDivisionError",
    )
    assert receiver.received == []


async def test_answers_to_sealed_runs_rest_sealed(ada: User, receiver: Receiver) -> None:
    receiver.replies = [
        Reply(body=b"you said 42\x00" + b"a" * 5_000),
    ]

    await attempt(await begun(ada, receiver.url(), is_sealed=True))

    note = await aio.in_database(DeliveryAttempt.objects.get)
    assert note.is_sealed
    assert "you said" not in note.excerpt
    opened = await aio.in_database(
        lambda: wired.ports().sealers.for_user(ada.pk).open(note.excerpt)
    )
    assert opened.startswith("you said 42a")
    assert len(opened) < 2_001


@pytest.mark.req("IN-31")
async def test_a_host_that_failed_five_times_is_left_alone(ada: User, receiver: Receiver) -> None:
    receiver.replies = [Reply(status=500)]
    delivery = await begun(ada, receiver.url())
    for _ in range(5):
        await attempt(delivery)

    rests = await attempt(delivery)

    assert len(receiver.received) == 5
    assert (rests.status, rests.attempts) == ("pending", 5)


@pytest.mark.req("IN-41")
async def test_a_pause_that_nobody_can_read_is_none(ada: User, receiver: Receiver) -> None:
    """A date past all clocks must not keep the attempt from being counted."""
    never = {"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}
    receiver.replies = [Reply(status=503, headers=never)]

    left = await attempt(await begun(ada, receiver.url()))

    assert (left.status, left.attempts, left.last_status_code) == ("pending", 1, 503)


# Couriers: processes that send


@pytest.fixture
def loop(settings: Any) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own, as workers have one."""
    settings.TASKMAPR_AIO_INLINE = False
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(10)
    made.close()
    aio.shutdown()


def until(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, "the awaited state did not come"
        time.sleep(0.02)
    return value


@pytest.mark.req("IN-41")
@pytest.mark.django_db(transaction=True)
def test_two_couriers_at_once_send_once(
    ada: User, receiver: Receiver, loop: asyncio.AbstractEventLoop
) -> None:
    runs = [ended(ada) for _ in range(20)]
    for run in runs:
        delivery_register(run_id=run.pk, url=receiver.url())
    submit = partial(asyncio.run_coroutine_threadsafe, loop=loop)
    couriers = [threading.Thread(target=Courier().go, args=(submit,)) for _ in range(2)]

    for courier in couriers:
        courier.start()
    for courier in couriers:
        courier.join(20)

    until(lambda: Delivery.objects.filter(status="delivered").count() == 20)
    told_of = [json.loads(request.body)["data"]["job_id"] for request in receiver.received]
    assert sorted(told_of) == sorted(f"job_{run.pk.hex}" for run in runs)


@pytest.mark.req("IN-41")
@pytest.mark.django_db(transaction=True)
def test_slow_receivers_hold_no_thread_and_a_full_courier_calls_again(
    ada: User, receiver: Receiver, loop: asyncio.AbstractEventLoop, queue: RecordingQueue
) -> None:
    release = threading.Event()
    receiver.replies = [Reply(until=release)]
    for _ in range(6):
        delivery_register(run_id=ended(ada).pk, url=receiver.url())
    queue.jobs.clear()
    courier = Courier(at_once=4)
    submit = partial(asyncio.run_coroutine_threadsafe, loop=loop)

    assert courier.go(submit) == 4
    assert courier.go(submit) == 0
    until(lambda: len(receiver.received) == 4)
    release.set()

    until(lambda: Delivery.objects.filter(status="delivered").count() == 4)
    until(lambda: (jobs.DELIVERIES_SEND, (), jobs.QUEUE_DELIVERIES) in queue.jobs)
    until(lambda: courier.go(submit))
    until(lambda: Delivery.objects.filter(status="delivered").count() == 6)


@pytest.mark.req("IN-41")
@pytest.mark.django_db(transaction=True)
def test_the_first_repeat_is_called_for_in_time(
    ada: User,
    receiver: Receiver,
    loop: asyncio.AbstractEventLoop,
    queue: RecordingQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestration.services.deliveries.DELAYS_S", (0.2,) * 7)
    receiver.replies = [Reply(status=500), Reply()]
    delivery_register(run_id=ended(ada).pk, url=receiver.url())
    queue.jobs.clear()
    courier = Courier()
    submit = partial(asyncio.run_coroutine_threadsafe, loop=loop)

    courier.go(submit)
    until(lambda: queue.jobs)
    assert courier.go(submit) == 1  # it is due by then

    until(lambda: Delivery.objects.filter(status="delivered").exists())
    assert len(receiver.received) == 2


@pytest.mark.req("IN-40")
@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_run_that_nobody_told_of_is_found(
    ada: User, receiver: Receiver, loop: asyncio.AbstractEventLoop
) -> None:
    run = ended(ada, status="running", finished_at=None)
    registered(run, receiver.url())
    courier = Courier()
    submit = partial(asyncio.run_coroutine_threadsafe, loop=loop)
    assert courier.go(submit) == 0

    Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=Now())
    assert courier.go(submit) == 1

    until(lambda: Delivery.objects.filter(status="delivered").exists())
