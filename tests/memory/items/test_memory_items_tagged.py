from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from memory.models import MemoryItem
from memory.selectors.items import memory_items_tagged
from memory.services.items import memory_item_add
from taskmapr.users.models import User


@pytest.mark.req("OV-38")
def test_only_the_owners_items_with_the_tag_newest_first(ada: User, cyd: User) -> None:
    for n in range(4):
        memory_item_add(user_id=ada.pk, text=f"likes {n}", tags=["preference"])
    memory_item_add(user_id=ada.pk, text="a fact", tags=["fact"])
    memory_item_add(user_id=cyd.pk, text="Cyd's", tags=["preference"])

    found = memory_items_tagged(user_id=ada.pk, tag="preference", limit=3)

    assert [item.text for item in found] == ["likes 3", "likes 2", "likes 1"]


@pytest.mark.req("OV-38")
def test_what_is_past_its_time_is_not_found(ada: User) -> None:
    memory_item_add(user_id=ada.pk, text="gone", tags=["t"], ttl_s=60)
    memory_item_add(user_id=ada.pk, text="stays", tags=["t"], ttl_s=60)
    gone = MemoryItem.objects.order_by("id").first()
    assert gone is not None
    MemoryItem.objects.filter(pk=gone.pk).update(
        expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )

    assert [i.text for i in memory_items_tagged(user_id=ada.pk, tag="t", limit=5)] == ["stays"]


@pytest.mark.req("OV-38", "DP-138")
def test_a_broken_item_hides_no_other(ada: User, caplog: pytest.LogCaptureFixture) -> None:
    memory_item_add(user_id=ada.pk, text="whole", tags=["t"])
    broken = memory_item_add(user_id=ada.pk, text="broken", tags=["t"])
    MemoryItem.objects.filter(pk=broken.pk).update(sealed="not sealed by anybody")

    with caplog.at_level(logging.WARNING):
        found = memory_items_tagged(user_id=ada.pk, tag="t", limit=5)

    assert [item.text for item in found] == ["whole"]
    assert str(broken.pk) in caplog.text
