"""/admin/orchestration/session/: conversations, their export and their deletion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.admin.utils import quote, unquote
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orchestration.models import Message, Run, Session
from taskmapr.users.models import User

LIST = "/admin/orchestration/session/"


@pytest.mark.req("OV-72")
def test_shows_fifty_sessions_with_at_most_twelve_queries(
    admin_client: Client,
    finished: Callable[..., Run],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(50):
        finished()

    with django_assert_max_num_queries(12):
        body = admin_client.get(LIST).content.decode()

    assert body.count("ada@example.org") == 50


def test_sessions_of_other_programs_show_their_owner_as_it_is(admin_client: Client) -> None:
    Session.objects.create(session_id="foreign", user_id="somebody-elsewhere")

    assert "somebody-elsewhere" in admin_client.get(LIST).content.decode()
    assert "no account here" in admin_client.get(f"{LIST}foreign/change/").content.decode()


def test_finds_by_id_and_owner(
    admin_client: Client, finished: Callable[..., Run], cyd: User
) -> None:
    finished(session_id="s-ada")
    Session.objects.create(session_id="s-cyd", user_id=str(cyd.pk))

    for term in ("s-cyd", "cyd@example", str(cyd.pk)):
        body = admin_client.get(LIST, {"q": term}).content.decode()
        assert "s-cyd" in body, term
        assert "s-ada" not in body, term


def test_an_empty_list_says_what_to_do(admin_client: Client) -> None:
    assert "No conversations here" in admin_client.get(LIST).content.decode()


@pytest.mark.req("OV-72")
@pytest.mark.parametrize("session_id", ["site_ada_1795308565_266b", "a/b?c=_2F"])
def test_what_its_page_offers_is_for_it_whatever_its_name(
    admin_client: Client, finished: Callable[..., Run], session_id: str
) -> None:
    """The admin's addresses read `_26` as `&`: unquoted, both names would be those of others."""
    finished(session_id=session_id)
    others = finished(session_id=unquote(session_id))

    page = admin_client.get(f"{LIST}{quote(session_id)}/change/").content.decode()
    (export,) = re.findall(rf'"({LIST}[^"]+/export/)"', page)
    (erase,) = re.findall(rf'"({LIST}[^"]+/erase/)"', page)

    assert admin_client.get(unescape(export)).json()["session_id"] == session_id
    assert admin_client.post(unescape(erase)).status_code == 302
    assert list(Run.objects.all()) == [others]


@pytest.mark.req("OV-72")
def test_the_page_shows_who_said_what_in_order(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    run = finished(session_id="odd:id@host")

    body = admin_client.get(f"{LIST}odd:id@host/change/").content.decode()

    assert body.index("user words") < body.index("assistant words")
    assert f"{run.pk}/change" in body


def test_sealed_messages_stay_sealed_on_the_page_and_in_the_export(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(session_id="s-1", is_sealed=True)

    shown = admin_client.get(f"{LIST}s-1/change/").content.decode()
    exported = admin_client.get(f"{LIST}s-1/export/").json()

    assert "assistant words" not in shown
    assert [set(m) & {"content", "actions", "items"} for m in exported["messages"]] == [set()] * 2


@pytest.mark.req("OV-72")
def test_exports_the_conversation_as_a_file(
    admin_client: Client, finished: Callable[..., Run], ada: User
) -> None:
    finished(session_id="s-1")

    answer = admin_client.get(f"{LIST}s-1/export/")

    whole = json.loads(answer.content)
    assert answer["Content-Disposition"] == 'attachment; filename="session-s-1.json"'
    assert (whole["session_id"], whole["user_id"]) == ("s-1", str(ada.pk))
    assert [(m["role"], m["content"]) for m in whole["messages"]] == [
        ("user", "user words"),
        ("assistant", "assistant words"),
    ]


@pytest.mark.req("OV-72")
def test_deleting_takes_messages_and_runs_with_it(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(session_id="gone")
    finished(session_id="kept")

    answer = admin_client.post(f"{LIST}gone/erase/")

    assert answer["Location"] == LIST
    assert list(Session.objects.values_list("pk", flat=True)) == ["kept"]
    assert (Run.objects.count(), Message.objects.count()) == (1, 2)


def test_looking_does_not_allow_deleting(watcher: Client, finished: Callable[..., Run]) -> None:
    finished(session_id="s-1")

    assert "Delete session" not in watcher.get(f"{LIST}s-1/change/").content.decode()
    assert watcher.post(f"{LIST}s-1/erase/").status_code == 403
    assert Session.objects.filter(pk="s-1").exists()


def test_deleting_needs_a_post(admin_client: Client, finished: Callable[..., Run]) -> None:
    finished(session_id="s-1")

    assert admin_client.get(f"{LIST}s-1/erase/").status_code == 403
    assert Session.objects.filter(pk="s-1").exists()


def test_people_who_are_not_staff_get_nothing(
    client: Client, finished: Callable[..., Run], cyd: User
) -> None:
    finished(session_id="s-1")
    client.force_login(cyd)

    for address in (LIST, f"{LIST}s-1/change/", f"{LIST}s-1/export/"):
        assert client.get(address).status_code == 302


def test_staff_who_may_not_read_words_see_that_people_talked(
    supporter: Client, finished: Callable[..., Run]
) -> None:
    finished(session_id="s-1")

    listed, shown = (supporter.get(a).content.decode() for a in (LIST, f"{LIST}s-1/change/"))

    assert "s-1" in listed
    assert "First words" not in listed + shown
    assert "assistant words" not in shown
    assert supporter.get(f"{LIST}s-1/export/").status_code == 403


@pytest.mark.parametrize(("used", "found"), [("1h", "s-new"), ("idle", "s-old")])
def test_filters_by_last_use(
    admin_client: Client, finished: Callable[..., Run], used: str, found: str
) -> None:
    for name in ("s-new", "s-old"):
        finished(session_id=name)
    long_ago = datetime.now(UTC) - timedelta(days=31)
    Session.objects.filter(pk="s-old").update(updated_at=long_ago)

    body = admin_client.get(f"{LIST}?used={used}").content.decode()

    assert [name for name in ("s-new", "s-old") if f"{name}/change" in body] == [found]
