"""GET /console/…: who gets in, which view the path shows."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from taskmapr.users.models import User
from taskmapr.users.tokens import access_token_read

pytestmark = pytest.mark.django_db

ADDRESSES = ["/console/", "/console/tasks", "/console/parts/", "/demo/overlay/", "/demo/tasks/"]


@pytest.fixture
def developer(settings, client: Client) -> Client:
    settings.ENV = "dev"
    return client


def shown_views(body: str) -> list[str]:
    return re.findall(r'data-view="(\w+)" data-title="\w+">', body)


@pytest.mark.parametrize("address", ADDRESSES)
def test_opens_for_anybody_on_a_developers_machine(developer: Client, address: str) -> None:
    assert developer.get(address).status_code == 200


@pytest.mark.parametrize("address", ADDRESSES)
def test_sends_strangers_to_sign_in_elsewhere(client: Client, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 302
    assert answer["Location"] == f"/admin/login/?next={address}"


@pytest.mark.parametrize("address", ADDRESSES)
def test_refuses_accounts_that_are_not_staff(client: Client, address: str) -> None:
    client.force_login(User.objects.create_user("cyd@example.test"))

    assert client.get(address).status_code == 403


def test_opens_for_staff(admin_client: Client) -> None:
    assert admin_client.get("/console/").status_code == 200


@pytest.mark.parametrize(
    ("address", "view"),
    [
        ("/console/", "dashboard"),
        ("/console", "dashboard"),
        ("/console/tasks", "tasks"),
        ("/console/team", "team"),
        ("/console/settings", "settings"),
        ("/console/embed", "embed"),
    ],
)
def test_shows_exactly_the_view_that_the_path_names(
    developer: Client, address: str, view: str
) -> None:
    body = developer.get(address).content.decode()

    assert shown_views(body) == [view]
    assert f'data-place="{view}" aria-current="page"' in body


def test_does_not_know_other_places(developer: Client) -> None:
    assert developer.get("/console/nowhere").status_code == 404


def test_writes_nothing(developer: Client) -> None:
    assert developer.post("/console/").status_code == 405


def test_staff_get_a_token_of_their_own_for_the_assistant(admin_client: Client, admin_user) -> None:
    answer = admin_client.post("/console/token")

    assert access_token_read(answer.json()["token"]) == admin_user.pk
    assert answer["Cache-Control"] == "no-store"


def test_nobody_gets_a_token_for_nobody(developer: Client) -> None:
    assert developer.post("/console/token").json() == {"token": None}


def test_strangers_get_no_token(client: Client) -> None:
    client.force_login(User.objects.create_user("cyd@example.test"))

    assert client.post("/console/token").status_code == 403


def test_a_token_is_not_given_to_forged_requests(admin_user: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(admin_user)

    assert careful.post("/console/token").status_code == 403
    assert careful.get("/console/token").status_code == 405
