from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from memory.models import MemoryItem
from memory.services.items import memory_item_add
from taskmapr.users.models import User

LIST = "/admin/memory/memoryitem/"


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "an operator's password"))
    return client


@pytest.mark.req("OV-06", "OV-38")
def test_the_list_says_whose_and_how_much_and_never_what(root: Client, ada: User) -> None:
    item = memory_item_add(user_id=ada.pk, text="quetzalwords", tags=["preference"])

    pages = [root.get(path).content.decode() for path in (LIST, f"{LIST}{item.pk}/change/")]

    assert "ada@example.org" in pages[0]
    assert "preference" in pages[0]
    assert "12 B" in pages[0]
    for page in pages:
        assert "quetzalwords" not in page
        assert item.sealed not in page


@pytest.mark.req("OV-06")
def test_a_list_asks_as_often_for_one_row_as_for_thirty(
    root: Client, ada: User, cyd: User, django_assert_max_num_queries: object
) -> None:
    memory_item_add(user_id=ada.pk, text="x")
    with django_assert_max_num_queries(12) as few:  # type: ignore[operator]
        assert root.get(LIST).status_code == 200
    for n in range(15):
        for user in (ada, cyd):
            memory_item_add(user_id=user.pk, text=f"{n}")
    with django_assert_max_num_queries(len(few)):  # type: ignore[operator]
        root.get(LIST)


def _delete(client: Client, item: MemoryItem, *, confirmed: bool) -> int:
    data = {"action": "delete_owners_memory", "_selected_action": [str(item.pk)]}
    return client.post(LIST, data | ({"confirmed": "yes"} if confirmed else {})).status_code


@pytest.mark.req("OV-38")
def test_a_users_memory_is_deleted_after_a_question(root: Client, ada: User, cyd: User) -> None:
    item, _ = (memory_item_add(user_id=ada.pk, text=text) for text in "ab")
    kept = memory_item_add(user_id=cyd.pk, text="c")

    assert _delete(root, item, confirmed=False) == 200
    assert MemoryItem.objects.count() == 3
    assert _delete(root, item, confirmed=True) == 302

    assert list(MemoryItem.objects.all()) == [kept]
    assert LogEntry.objects.get().change_message == "all memory of its owner deleted"


@pytest.mark.req("OV-38")
def test_who_may_only_look_deletes_nothing(ada: User) -> None:
    item = memory_item_add(user_id=ada.pk, text="x")
    staff = User.objects.create_user("support@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_memoryitem"))
    client = Client()
    client.force_login(staff)

    assert _delete(client, item, confirmed=True) == 403
    assert MemoryItem.objects.count() == 1
