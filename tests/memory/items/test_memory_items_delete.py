from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memory.models import MemoryItem
from memory.services.items import (
    memory_item_add,
    memory_items_delete,
    memory_items_delete_of_runs,
    memory_items_expire,
)
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from taskmapr.users.services.accounts import user_delete
from taskmapr.users.services.erasure import users_erase


@pytest.fixture
def cyds(cyd: User) -> MemoryItem:
    return memory_item_add(user_id=cyd.pk, text="Cyd's")


@pytest.mark.req("OV-38", "OV-73")
def test_everything_of_one_user_goes_and_nothing_of_another(ada: User, cyds: MemoryItem) -> None:
    for n in range(2):
        memory_item_add(user_id=ada.pk, text=f"{n}")

    assert memory_items_delete(user_id=ada.pk) == 2
    assert memory_items_delete(user_id=ada.pk) == 0
    assert list(MemoryItem.objects.all()) == [cyds]


@pytest.mark.req("OV-73")
def test_what_a_run_taught_goes_with_it(ada: User, cyds: MemoryItem) -> None:
    run_id = uuid7()
    memory_item_add(user_id=ada.pk, text="taught", source_run_id=run_id)
    other = memory_item_add(user_id=ada.pk, text="other", source_run_id=uuid7())

    assert memory_items_delete_of_runs(run_ids=[run_id]) == 1
    assert set(MemoryItem.objects.all()) == {other, cyds}


@pytest.mark.req("OV-38")
def test_what_is_past_its_time_goes(ada: User, cyds: MemoryItem) -> None:
    old = memory_item_add(user_id=ada.pk, text="old", ttl_s=60)
    memory_item_add(user_id=ada.pk, text="new", ttl_s=60)
    MemoryItem.objects.filter(pk=old.pk).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert memory_items_expire() == 1
    assert MemoryItem.objects.count() == 2


@pytest.mark.req("OV-73")
def test_deleting_an_account_takes_its_memory_along(ada: User, cyds: MemoryItem) -> None:
    memory_item_add(user_id=ada.pk, text="Ada's")
    user_delete(user_id=ada.pk)

    assert users_erase()["memory_items"] == 1
    assert list(MemoryItem.objects.all()) == [cyds]
