"""The secret store in the admin: values go in and never come out."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from taskmapr.users.models import User

pytestmark = pytest.mark.django_db

SECRETS = "/admin/agents_cfg/secret/"


@pytest.fixture
def secret() -> Secret:
    return secret_save(secret=Secret(name="esc.password", value="s3cret-value"), by="root")


@pytest.mark.req("TQ-31")
def test_a_value_is_typed_in_and_never_shown(admin_client: Client) -> None:
    answer = admin_client.post(f"{SECRETS}add/", {"name": "esc.password", "value": "s3cret-value"})

    assert answer.status_code == 302
    secret = Secret.objects.get()
    assert secret.value == "s3cret-value"
    pages = [SECRETS, f"{SECRETS}{secret.pk}/change/", f"{SECRETS}{secret.pk}/history/"]
    for page in pages:
        assert "s3cret-value" not in admin_client.get(page).content.decode()
    assert "s3cret-value" not in "".join(str(e.change_message) for e in LogEntry.objects.all())


def test_an_empty_input_keeps_the_value_and_the_name_stays(
    admin_client: Client, secret: Secret
) -> None:
    page = f"{SECRETS}{secret.pk}/change/"

    admin_client.post(page, {"name": "other", "value": "", "description": "asked of Ada"})

    secret.refresh_from_db()
    assert (secret.name, secret.value) == ("esc.password", "s3cret-value")
    assert secret.description == "asked of Ada"


def test_a_secret_without_a_value_is_refused(admin_client: Client, secret: Secret) -> None:
    page = f"{SECRETS}{secret.pk}/change/"

    assert admin_client.post(page, {"value_remove": "on"}).status_code == 200
    assert admin_client.post(f"{SECRETS}add/", {"name": "empty"}).status_code == 200

    assert Secret.objects.get().value == "s3cret-value"


def test_lists_with_at_most_twelve_queries_and_without_values(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        secret_save(secret=Secret(name=f"s{number}", value="x"), by="root")

    with django_assert_max_num_queries(12) as captured:
        body = admin_client.get(SECRETS).content.decode()

    assert "s29" in body
    assert not [q for q in captured if '"agents_cfg_secret"."value"' in q["sql"]]


def test_staff_without_the_permission_see_nothing(client: Client, secret: Secret) -> None:
    client.force_login(User.objects.create_user("staff@example.org", "a long one", is_staff=True))

    assert client.get(SECRETS).status_code == 403
