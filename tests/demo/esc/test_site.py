"""The demo site: signing in, looking, approving, and what is peculiar about some batches."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from taskmapr.demo.esc.models import Batch, EscSession

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-33")]

ESC = "/demo/esc/"


@pytest.fixture(autouse=True)
def credentials(settings: Any) -> None:
    settings.DEMO_ESC_CREDENTIALS = ("ann", "right")
    settings.DEMO_ESC_SLOW_S = 0


def sign_in(client: Client, password: str = "right", to: str = ESC) -> Any:
    return client.post(to, {"username": "ann", "password": password})


@pytest.fixture
def ann(client: Client) -> Client:
    client.get(ESC)
    sign_in(client)
    return client


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-batch="(\d+)"', page)]


def test_begins_with_twenty_batches(ann: Client) -> None:
    states = dict(Batch.objects.values_list("number", "state"))

    assert sorted(states) == list(range(1, 21))
    assert {n for n, state in states.items() if state == "approved"} == {11, 12, 13, 14, 15}
    assert {n for n, state in states.items() if state == "locked"} == {16, 17}


def test_a_wrong_password_is_refused_and_not_shown_again(client: Client) -> None:
    answer = sign_in(client, "wrong-one")

    assert "login-refused" in answer.content.decode()
    assert "wrong-one" not in answer.content.decode()
    assert not EscSession.objects.exists()


def test_without_configured_credentials_nobody_comes_in(client: Client, settings: Any) -> None:
    settings.DEMO_ESC_CREDENTIALS = ("", "")

    client.post(ESC, {"username": "", "password": ""})

    assert not EscSession.objects.exists()


@pytest.mark.parametrize("path", ["batches", "batches/1", "batches/1/approve"])
def test_strangers_are_led_to_the_sign_in_page(client: Client, path: str) -> None:
    call_command("demo_esc_reset")
    is_post = path.endswith("approve")

    answer = client.post(ESC + path) if is_post else client.get(ESC + path)

    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{ESC}?next=")
    assert Batch.objects.get(number=1).state == "pending"


def test_signing_in_does_not_lead_elsewhere(client: Client) -> None:
    answer = sign_in(client, to=f"{ESC}?next=https://elsewhere.example/")

    assert answer["Location"] == f"{ESC}batches"


def test_the_list_has_pages_and_a_search(ann: Client) -> None:
    first, last = (ann.get(f"{ESC}batches?page={n}").content.decode() for n in (1, 3))

    assert numbers(first) == list(range(1, 9))
    assert numbers(last) == [17, 18, 19, 20]
    assert numbers(ann.get(f"{ESC}batches?q=12").content.decode()) == [12]
    for nothing in ("99", "x", "²", "9" * 40):
        page = ann.get(f"{ESC}batches", {"q": nothing}).content.decode()
        assert numbers(page) == []
        assert 'id="no-batches"' in page


def test_a_pending_batch_is_approved_once(ann: Client) -> None:
    assert 'id="approve"' in ann.get(f"{ESC}batches/3").content.decode()

    assert ann.post(f"{ESC}batches/3/approve").status_code == 302

    page = ann.get(f"{ESC}batches/3").content.decode()
    assert Batch.objects.get(number=3).state == "approved"
    assert 'id="approve"' not in page
    assert ann.post(f"{ESC}batches/3/approve").status_code == 409


@pytest.mark.parametrize("number", [11, 16, 99])
def test_nothing_else_can_be_approved(ann: Client, number: int) -> None:
    before = list(Batch.objects.values_list("number", "state"))

    assert ann.post(f"{ESC}batches/{number}/approve").status_code == 409
    assert list(Batch.objects.values_list("number", "state")) == before


def test_one_is_broken_and_one_is_missing(ann: Client) -> None:
    assert ann.get(f"{ESC}batches/18").status_code == 500
    assert ann.get(f"{ESC}batches/99").status_code == 404


def test_one_is_slow(ann: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    settings.DEMO_ESC_SLOW_S = 20
    monkeypatch.setattr("taskmapr.demo.esc.views.asyncio.sleep", sleep)

    assert ann.get(f"{ESC}batches/19").status_code == 200
    assert ann.get(f"{ESC}batches/1").status_code == 200
    assert waited == [20]


def test_one_asks_for_another_sign_in_and_then_opens(ann: Client) -> None:
    asked = ann.get(f"{ESC}batches/20")

    assert asked["Location"].startswith(ESC + "?next=")
    assert not EscSession.objects.exists()
    again = sign_in(ann, to=asked["Location"])
    assert again["Location"] == f"{ESC}batches/20"
    assert ann.get(f"{ESC}batches/20").status_code == 200


def test_signing_out_ends_the_session(ann: Client) -> None:
    ann.post(f"{ESC}logout")

    assert not EscSession.objects.exists()
    assert ann.get(f"{ESC}batches").status_code == 302


def test_the_reset_command_puts_everything_back(ann: Client) -> None:
    ann.post(f"{ESC}batches/3/approve")

    call_command("demo_esc_reset")

    assert Batch.objects.get(number=3).state == "pending"
    assert not EscSession.objects.exists()


def test_forms_of_other_pages_are_refused(ann: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ann.cookies

    assert strict.post(f"{ESC}batches/3/approve").status_code == 403
    assert Batch.objects.get(number=3).state == "pending"
