"""Whose memory there is, for operators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from memory.models import MemoryItem
from memory.services.items import memory_item_add
from memory.services.items_embed import memory_items_embed
from taskmapr.core import wired
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.memory.embedders import Subjects

LIST = "/admin/memory/memoryowner/"
ITEMS = "/admin/memory/memoryitem/"

pytestmark = pytest.mark.req("IN-47")


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "an operator's password"))
    return client


def body(client: Client, path: str = LIST) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, action: str, *owners: User, confirmed: bool = True) -> int:
    data = {"action": action, "_selected_action": [str(owner.pk) for owner in owners]}
    return client.post(LIST, data | ({"confirmed": "yes"} if confirmed else {})).status_code


def test_says_whose_how_many_how_found_and_what_expires(
    root: Client, ada: User, cyd: User, subjects: Subjects
) -> None:
    subjects.refuses = "odd"
    memory_item_add(user_id=ada.pk, text="quetzalwords", ttl_s=60)
    memory_item_add(user_id=ada.pk, text="odd")
    memory_items_embed()
    memory_item_add(user_id=ada.pk, text="waits", tags=["quetzaltag"])
    MemoryItem.objects.exclude(expires_at=None).update(expires_at="2020-01-01T00:00:00Z")

    page = body(root)

    for words in ("ada@example.org", "1 of 3", "1 waiting; 1 without a vector", "1 past it"):
        assert words in page
    assert cyd.email not in page
    assert "quetzal" not in page
    assert f"{ITEMS}?user__id__exact={ada.pk}" in page
    items = body(root, f"{ITEMS}?user__id__exact={ada.pk}")
    for words in (">embedded<", ">waiting<", "Too odd (status 400).", "12 B"):
        assert words in items
    assert "quetzal" not in items


def test_without_a_model_it_says_by_words(root: Client, ada: User, use: Any) -> None:
    use(None)
    memory_item_add(user_id=ada.pk, text="x")

    assert "by words alone" in body(root)
    assert "by words alone" in body(root, ITEMS)


def test_an_owners_page_shows_nothing_of_the_account(root: Client, ada: User) -> None:
    memory_item_add(user_id=ada.pk, text="x")

    page = body(root, f"{LIST}{ada.pk}/change/")

    for words in (ada.email, "Found by meaning", "1 B"):
        assert words in page
    assert ada.password not in page
    assert "pbkdf2" not in page
    assert "argon2" not in page


def test_asks_as_often_for_one_owner_as_for_thirty(
    root: Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    memory_item_add(user_id=ada.pk, text="x")
    with django_assert_max_num_queries(12) as few:
        body(root)
    for n in range(30):
        memory_item_add(user_id=User.objects.create_user(f"u{n}@example.org").pk, text="x")
    with django_assert_max_num_queries(len(few)):
        body(root)


def test_embeds_again_after_a_question(
    root: Client, ada: User, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_item_add(user_id=ada.pk, text="x")
    memory_items_embed()
    ports = replace(wired.ports(), queue=RecordingQueue())
    monkeypatch.setattr(wired, "ports", lambda: ports)

    assert act(root, "reembed", ada, confirmed=False) == 200
    assert MemoryItem.objects.get().embedding_model == "subjects"
    assert act(root, "reembed", ada) == 302

    assert MemoryItem.objects.get().embedding_model == ""
    assert LogEntry.objects.get().change_message == "will be embedded again within seconds"


def test_removes_what_has_expired_of_one_owner(root: Client, ada: User, cyd: User) -> None:
    for user in (ada, cyd):
        memory_item_add(user_id=user.pk, text="old", ttl_s=60)
    MemoryItem.objects.update(expires_at="2020-01-01T00:00:00Z")
    memory_item_add(user_id=ada.pk, text="new", ttl_s=60)

    assert act(root, "prune", ada) == 302

    assert MemoryItem.objects.filter(user=ada).count() == 1
    assert MemoryItem.objects.filter(user=cyd).count() == 1


def test_deletes_all_of_an_owner(root: Client, ada: User, cyd: User) -> None:
    for user in (ada, ada, cyd):
        memory_item_add(user_id=user.pk, text="x")

    assert act(root, "delete_memory", ada) == 302
    assert MemoryItem.objects.get().user_id == cyd.pk


@pytest.mark.parametrize("action", ["reembed", "prune", "delete_memory"])
def test_who_may_only_look_changes_nothing(ada: User, action: str) -> None:
    memory_item_add(user_id=ada.pk, text="x", ttl_s=60)
    MemoryItem.objects.update(expires_at="2020-01-01T00:00:00Z")
    staff = User.objects.create_user("support@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_memoryowner"))
    client = Client()
    client.force_login(staff)

    assert client.get(LIST).status_code == 200
    assert act(client, action, ada) == 403
    assert MemoryItem.objects.count() == 1
