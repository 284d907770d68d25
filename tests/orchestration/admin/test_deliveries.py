"""Callbacks and webhook secrets as operators see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from orchestration.models import Delivery, WebhookSecret
from orchestration.services.deliveries import Outcome, delivery_note
from orchestration.services.webhook_secrets import webhook_secret_make
from taskmapr.core import jobs
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.admin.conftest import staff_in
from tests.orchestration.callbacks import claimed, ended, registered, told
from tests.orchestration.conftest import StartRun

LIST = "/admin/orchestration/delivery/"
SECRETS = "/admin/orchestration/webhooksecret/"
HOOK = "https://hooks.example.com/a?token=hidden"


@pytest.fixture(autouse=True)
def documents() -> Iterator[None]:
    with told():
        yield


@pytest.fixture
def failed(ada: User) -> Delivery:
    """Tried once in vain."""
    delivery = registered(ended(ada), HOOK)
    answer = Outcome(duration_ms=7, status_code=500, excerpt="out of order", error="answered 500")
    delivery_note(claimed(), answer)
    return delivery


def page(delivery: Delivery) -> str:
    return f"{LIST}{delivery.pk}/change/"


@pytest.mark.req("IN-47")
def test_the_list_says_how_each_stands(client: Client, failed: Delivery, ada: User) -> None:
    staff = staff_in(client, "view_delivery", "view_run")
    registered(ended(ada), "https://other.example.com/")

    everything = staff.get(LIST).content.decode()
    troubled = staff.get(f"{LIST}?status=troubled&answer=5").content.decode()

    for words in ("https://hooks.example.com/a", "other.example.com", "1 of 8", "500", ada.email):
        assert words in everything
    assert "token=hidden" not in everything
    assert "hooks.example.com" in troubled
    assert "other.example.com" not in troubled


@pytest.mark.parametrize("words", ["hooks.example.com", "ada@example.org", "msg", "job", "run"])
def test_finds_by_host_owner_message_and_job(
    client: Client, failed: Delivery, cyd: User, words: str
) -> None:
    staff = staff_in(client, "view_delivery")
    registered(ended(cyd), "https://other.example.com/")
    ids = {
        "msg": failed.message_id,
        "job": f"job_{failed.run_id.hex}",
        "run": str(failed.run_id),
    }

    found = staff.get(LIST, {"q": ids.get(words, words)}).content.decode()

    assert "https://hooks.example.com/a" in found
    assert "https://other.example.com" not in found


def test_the_list_asks_the_database_as_often_for_many(
    client: Client, failed: Delivery, ada: User
) -> None:
    staff = staff_in(client, "view_delivery")
    staff.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as few:
        staff.get(LIST)
    for _ in range(5):
        registered(ended(ada), HOOK)
    with CaptureQueriesContext(connection) as many:
        staff.get(LIST)

    assert len(many) == len(few)


@pytest.mark.req("IN-41")
def test_the_page_shows_attempts_and_what_is_sent(client: Client, failed: Delivery) -> None:
    staff = staff_in(client, "view_delivery", "read_content")

    shown = staff.get(page(failed)).content.decode()

    for words in ("answered 500", "out of order", "job.completed", failed.message_id):
        assert words in shown
    assert "token=hidden" not in shown
    assert "Send again" not in shown


def test_words_are_for_those_who_may_read_them(client: Client, failed: Delivery) -> None:
    shown = staff_in(client, "view_delivery").get(page(failed)).content.decode()

    assert "answered 500" in shown
    assert "out of order" not in shown
    assert "job.completed" not in shown


def test_sealed_runs_stay_sealed(client: Client, ada: User) -> None:
    delivery = registered(ended(ada, is_sealed=True), HOOK)
    staff = staff_in(client, "view_delivery", "read_content")

    shown = staff.get(page(delivery)).content.decode()

    assert "(sealed)" in shown
    assert "job.completed" not in shown


@pytest.mark.req("IN-47")
def test_sends_again(
    client: Client,
    failed: Delivery,
    queue: RecordingQueue,
    django_capture_on_commit_callbacks: Any,
) -> None:
    staff = staff_in(client, "view_delivery", "change_run")
    queue.jobs.clear()

    with django_capture_on_commit_callbacks(execute=True):
        staff.post(f"{LIST}{failed.pk}/again/")

    assert queue.jobs == [(jobs.DELIVERIES_SEND, (), jobs.QUEUE_DELIVERIES)]
    assert claimed().id == failed.pk
    assert LogEntry.objects.get().change_message == "sent again"


def test_who_may_not_send_again_changes_nothing(
    client: Client, failed: Delivery, queue: RecordingQueue
) -> None:
    staff = staff_in(client, "view_delivery")
    before = Delivery.objects.values().get()

    assert staff.post(f"{LIST}{failed.pk}/again/").status_code == 403
    assert staff.get(f"{LIST}{failed.pk}/again/").status_code == 403

    assert Delivery.objects.values().get() == before


def test_a_callback_of_a_run_under_way_says_so(client: Client, start: StartRun) -> None:
    delivery = registered(start(), HOOK)
    staff = staff_in(client, "view_delivery", "read_content", "change_run")

    shown = staff.get(page(delivery)).content.decode()

    assert "when the run is over" in shown
    assert "Send again" not in shown


# Webhook secrets

KEEPER = ("view_webhooksecret", "add_webhooksecret", "change_webhooksecret", "view_user")


@pytest.mark.req("IN-40", "IN-47")
def test_a_secret_is_made_and_shown_once(client: Client, ada: User) -> None:
    staff = staff_in(client, *KEEPER)

    made = staff.post(f"{SECRETS}add/", {"owner": ada.pk}, follow=True)
    row = WebhookSecret.objects.get()
    shown = staff.post(f"{SECRETS}{row.pk}/reveal/")
    again = staff.post(f"{SECRETS}{row.pk}/reveal/", follow=True).content.decode()

    assert row.owner_id == ada.pk
    assert row.secret not in made.content.decode()
    assert row.secret in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    assert row.secret not in again
    assert "It was shown before" in again
    assert row.secret not in staff.get(SECRETS).content.decode()


@pytest.mark.req("IN-47")
def test_rotating_keeps_the_old_one_for_a_day(client: Client, ada: User) -> None:
    old = webhook_secret_make(owner_id=ada.pk)
    staff = staff_in(client, *KEEPER)
    chosen = {"action": "rotate", "_selected_action": [old.pk]}

    asked = staff.post(SECRETS, chosen).content.decode()
    assert WebhookSecret.objects.count() == 1
    staff.post(SECRETS, {**chosen, "confirmed": "yes"})

    assert "24 hours" in asked
    present, former = WebhookSecret.objects.order_by("-id")
    assert (present.expires_at, former.pk) == (None, old.pk)
    assert former.expires_at is not None


def test_who_only_looks_is_shown_no_secret(client: Client, ada: User) -> None:
    secret = webhook_secret_make(owner_id=ada.pk)
    staff = staff_in(client, "view_webhooksecret")

    looked = staff.get(f"{SECRETS}{secret.pk}/change/").content.decode()

    assert staff.post(f"{SECRETS}{secret.pk}/reveal/").status_code == 403
    assert "Show it once" not in looked
    assert WebhookSecret.objects.get().shown_at is None
