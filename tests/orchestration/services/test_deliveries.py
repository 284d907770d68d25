"""The outbox in the database: what is registered, when it is due, who may send it, what follows."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.db.models.functions import Now

from orchestration.models import Delivery, DeliveryAttempt, Run, WebhookSecret
from orchestration.selectors.deliveries import callback_summary
from orchestration.services.deliveries import (
    DELAYS_S,
    HeldDelivery,
    Outcome,
    callback_url_check,
    deliveries_claim,
    deliveries_mark_due,
    delivery_note,
    delivery_postpone,
    delivery_redeliver,
    delivery_register,
    delivery_send_again,
    next_step,
    runs_ended,
)
from orchestration.services.run_end import run_cancel
from taskmapr.core import jobs
from taskmapr.core.errors import CallbackUrlNotAllowed, Conflict, NotConfigured
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.callbacks import SECRET, claimed, ended, make_due, registered
from tests.orchestration.conftest import StartRun

pytestmark = pytest.mark.django_db
HOOK = "https://hooks.example.com/a"
SEND = (jobs.DELIVERIES_SEND, (), jobs.QUEUE_DELIVERIES)


# Registering


@pytest.mark.req("IN-43")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6379/",
        "https://169.254.169.254/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "not a url",
    ],
)
def test_refuses_addresses_before_anything_is_stored(url: str) -> None:
    with pytest.raises(CallbackUrlNotAllowed) as refusal:
        callback_url_check(url)

    assert (refusal.value.code, refusal.value.status) == ("callback_url_not_allowed", 422)


def test_lets_public_addresses_pass() -> None:
    callback_url_check(HOOK, lookup=lambda host, port: ["93.184.215.14"])


@pytest.mark.req("IN-40")
def test_waits_for_the_end_of_the_run(start: StartRun) -> None:
    run = start()

    delivery = registered(run, HOOK)

    assert (delivery.status, delivery.next_attempt_at) == ("waiting", None)
    assert deliveries_mark_due() == 0
    assert deliveries_claim(10) == []
    assert callback_summary(run.pk) == {
        "status": "pending",
        "attempts": 0,
        "last_status_code": None,
        "next_attempt_at": None,
    }


@pytest.mark.req("IN-33")
def test_is_due_at_once_when_the_run_is_over(
    ada: User, queue: RecordingQueue, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        delivery = registered(ended(ada), HOOK)

    assert delivery.status == "pending"
    assert queue.jobs == [SEND]
    assert claimed().id == delivery.pk


@pytest.mark.req("IN-33")
def test_the_same_url_is_told_once_and_another_one_too(ada: User) -> None:
    run = ended(ada)

    for url in (HOOK, HOOK, "https://hooks.example.com/b"):
        delivery_register(run_id=run.pk, url=url)

    assert sorted(run.deliveries.values_list("url", flat=True)) == [
        HOOK,
        "https://hooks.example.com/b",
    ]


def test_makes_a_secret_on_a_developers_machine_once(ada: User) -> None:
    delivery_register(run_id=ended(ada).pk, url=HOOK)
    delivery_register(run_id=ended(ada).pk, url=HOOK)

    (secret,) = WebhookSecret.objects.all()
    assert (secret.owner_id, secret.shown_at) == (None, None)


def test_refuses_in_production_when_nothing_could_sign(ada: User, settings: Any) -> None:
    settings.ENV = "prod"

    with pytest.raises(NotConfigured, match="TASKMAPR_WEBHOOK_SECRET"):
        delivery_register(run_id=ended(ada).pk, url=HOOK)

    assert not Delivery.objects.exists()
    settings.TASKMAPR = {**settings.TASKMAPR, "webhook_secret": SECRET}
    delivery_register(run_id=ended(ada).pk, url=HOOK)
    assert Delivery.objects.count() == 1


# When runs end


@pytest.mark.req("IN-40")
def test_the_end_makes_it_due_and_tells_workers(start: StartRun, queue: RecordingQueue) -> None:
    run, other = start(), start(session_id="s-2")
    mine, theirs = registered(run, HOOK), registered(other, HOOK)
    run_cancel(run_id=run.pk, by="user")
    queue.jobs.clear()

    runs_ended([run.pk, other.pk])

    assert [d.status for d in (refreshed(mine), refreshed(theirs))] == ["pending", "waiting"]
    assert queue.jobs == [SEND]


def test_runs_without_callbacks_cost_no_job(start: StartRun, queue: RecordingQueue) -> None:
    run = start()
    run_cancel(run_id=run.pk, by="user")
    queue.jobs.clear()

    runs_ended([run.pk])

    assert queue.jobs == []


def test_the_sweep_finds_what_nobody_told_of(start: StartRun) -> None:
    run = start()
    registered(run, HOOK)
    run_cancel(run_id=run.pk, by="user")

    assert deliveries_mark_due() == 1
    assert claimed().run_id == run.pk


# Claiming


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_take_the_same_one(ada: User) -> None:
    for _ in range(40):
        registered(ended(ada), HOOK)
    taken: list[list[HeldDelivery]] = []
    together = threading.Barrier(4)

    def worker() -> None:
        together.wait(10)
        taken.append([held for _ in range(3) for held in deliveries_claim(5)])
        close_old_connections()
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    ids = [held.id for mine in taken for held in mine] + [h.id for h in deliveries_claim(100)]
    assert len(ids) == len(set(ids)) == 40


@pytest.mark.req("IN-41")
def test_is_held_for_longer_than_its_receiver_may_take(ada: User, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "callback_timeout_s": 120}
    registered(ended(ada), HOOK)

    claimed()

    assert Delivery.objects.filter(leased_until__gt=Now() + timedelta(seconds=150)).exists()


def test_a_lost_worker_leaves_it_to_the_next_under_the_same_id(ada: User) -> None:
    delivery = registered(ended(ada), HOOK)
    lost = claimed()
    assert deliveries_claim(10) == []

    Delivery.objects.filter(pk=delivery.pk).update(leased_until=Now() - timedelta(seconds=1))
    found = claimed()

    assert found.message_id == lost.message_id == delivery.message_id
    assert delivery_note(lost, Outcome(duration_ms=1, status_code=200)) is None
    assert refreshed(delivery).status == "pending"
    assert not DeliveryAttempt.objects.exists()


# What follows


def held_after(attempts: int) -> HeldDelivery:
    run = Run()
    return HeldDelivery(
        id=run.pk,
        run_id=run.pk,
        owner_id=run.pk,
        run_kind="overlay",
        is_sealed=False,
        url=HOOK,
        attempts=attempts,
        gives_up_after=8,
        lease_token=1,
    )


@pytest.mark.req("IN-41")
def test_eight_attempts_with_growing_pauses_then_failed() -> None:
    bad = Outcome(duration_ms=1, status_code=500)

    steps = [next_step(held_after(n), bad, 0.5) for n in range(8)]

    assert [step.delay_s for step in steps] == [*map(float, DELAYS_S), None]
    assert [str(step.status) for step in steps] == ["pending"] * 7 + ["failed"]


@pytest.mark.req("IN-41")
@pytest.mark.parametrize(("drawn", "delay_s"), [(0.0, 240.0), (0.5, 300.0), (1.0, 360.0)])
def test_pauses_vary_by_a_fifth(drawn: float, delay_s: float) -> None:
    step = next_step(held_after(1), Outcome(duration_ms=1), drawn)

    assert step.delay_s == pytest.approx(delay_s)


@pytest.mark.req("IN-41")
@pytest.mark.parametrize(
    ("asked_s", "delay_s"), [(None, 5.0), (1.0, 5.0), (120.0, 120.0), (10.0**8, 86_400.0)]
)
def test_honours_the_pause_that_a_receiver_asks_for(asked_s: float | None, delay_s: float) -> None:
    busy = Outcome(duration_ms=1, status_code=503, retry_after_s=asked_s)

    assert next_step(held_after(0), busy, 0.5).delay_s == delay_s


@pytest.mark.req("IN-41")
@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_any_2xx_is_success(code: int) -> None:
    step = next_step(held_after(0), Outcome(duration_ms=1, status_code=code), 0.5)

    assert (step.status, step.delay_s) == ("delivered", None)


@pytest.mark.req("IN-41")
def test_410_stops(ada: User) -> None:
    delivery = registered(ended(ada), HOOK)

    delivery_note(claimed(), Outcome(duration_ms=3, status_code=410))

    assert refreshed(delivery).status == "disabled"
    assert callback_summary(delivery.run_id)["status"] == "disabled"
    assert deliveries_claim(10) == []


def test_notes_each_attempt(ada: User) -> None:
    delivery = registered(ended(ada), HOOK)
    for outcome in (
        Outcome(duration_ms=3, error="upstream_error: The host is not known."),
        Outcome(duration_ms=4, status_code=302, excerpt="moved", error="answered 302"),
        Outcome(duration_ms=5, status_code=204),
    ):
        delivery_note(claimed(), outcome)
        make_due(delivery)

    made = list(delivery.made.values_list("number", "status_code", "excerpt", "duration_ms"))
    assert made == [(1, None, "", 3), (2, 302, "moved", 4), (3, 204, "", 5)]
    assert callback_summary(delivery.run_id) == {
        "status": "delivered",
        "attempts": 3,
        "last_status_code": 204,
        "next_attempt_at": callback_summary(delivery.run_id)["next_attempt_at"],
    }


def test_a_host_that_rests_uses_up_no_attempt(ada: User) -> None:
    delivery = registered(ended(ada), HOOK)

    delivery_postpone(claimed(), 30.0)

    assert (refreshed(delivery).attempts, refreshed(delivery).status) == (0, "pending")
    assert deliveries_claim(10) == []


# Again


@pytest.mark.req("IN-11")
def test_sends_again_with_a_fresh_series(ada: User) -> None:
    run = ended(ada)
    delivery = registered(run, HOOK)
    Delivery.objects.update(status="failed", attempts=8, next_attempt_at=None, finished_at=Now())

    assert delivery_redeliver(run_id=run.pk) == 1

    held = claimed()
    assert (held.message_id, held.attempts) == (delivery.message_id, 8)
    assert next_step(held, Outcome(duration_ms=1), 0.5).delay_s == 5.0


def test_leaves_alone_what_waits_or_is_being_sent(ada: User, start: StartRun) -> None:
    waiting, sending = registered(start(), HOOK), registered(ended(ada), HOOK)
    held = claimed()

    assert delivery_redeliver(run_id=waiting.run_id) == 1
    with pytest.raises(Conflict):
        delivery_send_again(delivery_id=waiting.pk)
    with pytest.raises(Conflict):
        delivery_send_again(delivery_id=sending.pk)

    assert refreshed(waiting).status == "waiting"
    assert refreshed(sending).lease_token == held.lease_token
    assert deliveries_claim(10) == []


def test_refuses_when_there_is_nothing_to_send_again(ada: User) -> None:
    run = ended(ada)

    with pytest.raises(Conflict):
        delivery_redeliver(run_id=run.pk)

    assert callback_summary(run.pk)["status"] == "none"


def refreshed(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)
