"""After a rotation, items move to the new key; nothing is missed before, meanwhile or after."""

from __future__ import annotations

from typing import Any

import pytest

from memory.models import MemoryItem
from memory.selectors.item_search import memory_items_search
from memory.selectors.items import memory_items_tagged
from memory.services import items_reseal
from memory.services.items import memory_item_add
from memory.services.items_reseal import memory_items_reseal
from taskmapr.users.models import DataKey, User
from taskmapr.users.services.data_keys import (
    DataKeySealers,
    data_key_destroy,
    data_key_rotate,
    data_keys_rewrap,
)

pytestmark = pytest.mark.req("DP-133", "IN-15")


def found(user: User, query: str = "tea") -> set[str]:
    rows = memory_items_search(user_id=user.pk, query=query, mode="keyword", meaning=None)
    return {row.text for row in rows}


def test_items_are_sealed_and_hashed_with_the_new_key(
    ada: User, cyd: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items_reseal, "BATCH", 2)
    for n in range(5):
        memory_item_add(user_id=ada.pk, text=f"tea {n}", tags=["preference", "hot"])
    memory_item_add(user_id=cyd.pk, text="Cyd's tea")
    data_key_rotate(user_id=ada.pk)
    memory_item_add(user_id=ada.pk, text="tea new")
    before = dict(MemoryItem.objects.values_list("pk", "sealed"))

    assert memory_items_reseal() == 5
    assert memory_items_reseal() == 0

    # What was sealed before needs the retired key no more.
    DataKey.objects.filter(pk=ada.pk).update(retired=[])
    assert found(ada) == {"tea new", *(f"tea {n}" for n in range(5))}
    assert len(memory_items_tagged(user_id=ada.pk, tag="hot", limit=9)) == 5
    kept = [
        pk for pk, sealed in MemoryItem.objects.values_list("pk", "sealed") if sealed == before[pk]
    ]
    assert len(kept) == 2
    assert found(cyd) == {"Cyd's tea"}


def test_an_item_that_no_key_opens_stays_and_stops_no_other(ada: User) -> None:
    first, _ = (memory_item_add(user_id=ada.pk, text=f"tea {n}") for n in range(2))
    MemoryItem.objects.filter(pk=first.pk).update(sealed="not sealed by anybody")
    data_key_rotate(user_id=ada.pk)

    assert memory_items_reseal() == 1
    assert found(ada) == {"tea 1"}
    assert MemoryItem.objects.get(pk=first.pk).sealed == "not sealed by anybody"


def test_an_item_that_was_never_hashed_is(ada: User) -> None:
    sealer = DataKeySealers().for_user(ada.pk)
    MemoryItem.objects.create(
        user=ada,
        sealed=sealer.seal({"text": "old tea", "metadata": {}}),
        size_bytes=7,
        is_preference=True,
    )
    assert found(ada) == set()

    assert memory_items_reseal() == 1

    assert found(ada) == {"old tea"}
    (item,) = memory_items_tagged(user_id=ada.pk, tag="preference", limit=5)
    assert item.tags == ("preference",)


def test_a_destroyed_key_is_left_alone(ada: User, cyd: User) -> None:
    memory_item_add(user_id=ada.pk, text="tea")
    data_key_rotate(user_id=ada.pk)
    data_key_destroy(user_id=ada.pk)
    MemoryItem.objects.create(user=ada, sealed="x", size_bytes=1)

    assert memory_items_reseal() == 0
    assert MemoryItem.objects.count() == 2


def test_a_new_master_key_changes_no_item(ada: User, settings: Any) -> None:
    memory_item_add(user_id=ada.pk, text="tea")
    before = list(MemoryItem.objects.values("sealed", "keywords", "key_mark"))
    settings.TASKMAPR_SECRET_KEYS = ["new-master", *settings.TASKMAPR_SECRET_KEYS]
    assert data_keys_rewrap().done == 1

    assert memory_items_reseal() == 0
    assert found(ada) == {"tea"}
    memory_item_add(user_id=ada.pk, text="more tea")
    assert (
        list(MemoryItem.objects.order_by("created_at").values("sealed", "keywords", "key_mark"))[:1]
        == before
    )
    assert found(ada) == {"tea", "more tea"}
