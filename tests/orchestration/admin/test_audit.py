"""/admin/admin/logentry/: who changed what."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import ModelProfile, OverlayProfile
from taskmapr.users.models import User

pytestmark = pytest.mark.django_db

LIST = "/admin/admin/logentry/"


def entry(user: User, thing: Any, flag: int = ADDITION, message: str = "made") -> LogEntry:
    LogEntry.objects.log_actions(user.pk, [thing], flag, change_message=message)
    return LogEntry.objects.latest("id")


@pytest.mark.req("VB-86")
def test_shows_who_did_what_to_what(admin_client: Client, admin_user: User) -> None:
    profile = OverlayProfile.objects.create(name="shop")
    entry(admin_user, profile, message="tools taken away")

    body = admin_client.get(LIST).content.decode()

    for words in ("shop", "overlay profile", "added", admin_user.email, "tools taken away"):
        assert words in body


@pytest.mark.parametrize("by", ["kind", "deed", "q", "user"])
def test_finds_and_filters(admin_client: Client, admin_user: User, cyd: User, by: str) -> None:
    right = OverlayProfile.objects.create(name="wanted-one")
    wrong = ModelProfile.objects.create(name="other-one", model="x/y")
    entry(cyd, right, DELETION)
    entry(admin_user, wrong)
    asked = {
        "kind": {"kind": ContentType.objects.get_for_model(OverlayProfile).pk},
        "deed": {"deed": DELETION},
        "q": {"q": "wanted"},
        "user": {"user__id__exact": str(cyd.pk)},
    }

    body = admin_client.get(LIST, asked[by]).content.decode()

    assert "wanted-one" in body
    assert "other-one" not in body


def test_cannot_be_changed_or_deleted(admin_client: Client, admin_user: User) -> None:
    made = entry(admin_user, OverlayProfile.objects.create(name="shop"))

    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.post(LIST, {"action": "delete_selected", "_selected_action": made.pk})
    assert LogEntry.objects.filter(pk=made.pk).exists()


def test_shows_fifty_entries_with_at_most_twelve_queries(
    admin_client: Client, admin_user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(50):
        entry(admin_user, OverlayProfile.objects.create(name=f"p{number}"))

    with django_assert_max_num_queries(12):
        assert "p49" in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize("asked", [{"deed": "²"}, {"kind": "²"}, {"kind": "x"}, {"deed": "9"}])
def test_what_no_filter_knows_filters_nothing(
    admin_client: Client, admin_user: User, asked: dict[str, str]
) -> None:
    entry(admin_user, OverlayProfile.objects.create(name="shop"))

    answer = admin_client.get(LIST, asked)

    assert (answer.status_code, "shop" in answer.content.decode()) == (200, True)
