from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from memory.models import MemoryItem
from memory.selectors.items import memory_items_tagged
from memory.services.items import memory_item_add
from taskmapr.core.errors import InvalidInput
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User


@pytest.mark.req("OV-38", "VB-79")
def test_the_text_is_sealed_and_its_owner_reads_it(ada: User) -> None:
    run_id = uuid7()
    item = memory_item_add(
        user_id=ada.pk,
        text="  likes quetzaltea  ",
        tags=["preference", "drinks", "drinks"],
        metadata={"from": "quetzalchat"},
        source_run_id=run_id,
    )

    with connection.cursor() as cursor:
        cursor.execute("SELECT m::text FROM memory_memoryitem m")
        (row,) = cursor.fetchone()
    assert "quetzal" not in row
    (known,) = memory_items_tagged(user_id=ada.pk, tag="preference", limit=5)
    assert (known.id, known.text, known.tags) == (
        item.pk,
        "likes quetzaltea",
        ("preference", "drinks"),
    )
    assert known.metadata == {"from": "quetzalchat"}
    stored = MemoryItem.objects.get()
    assert (stored.size_bytes, stored.namespace, stored.source_run_id) == (16, "default", run_id)
    assert stored.embedding is None
    assert stored.expires_at is None


@pytest.mark.req("OV-38")
def test_a_time_to_live_is_counted_from_now(ada: User) -> None:
    item = memory_item_add(user_id=ada.pk, text="x", ttl_s=90)

    assert item.expires_at is not None
    assert item.expires_at - item.created_at == timedelta(seconds=90)


@pytest.mark.req("OV-38")
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"text": "  "}, "text"),
        ({"text": "x" * 32_001}, "text"),
        ({"tags": ["t"] * 21}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"tags": ["t" * 65]}, "tags"),
        ({"namespace": ""}, "namespace"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"metadata": {"a": object()}}, "metadata"),
        ({"metadata": {"a": "x" * 16_384}}, "metadata"),
    ],
)
def test_what_is_out_of_bounds_is_refused_and_nothing_is_kept(
    ada: User, changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        memory_item_add(user_id=ada.pk, **{"text": "x", **changes})

    assert [field["path"] for field in refused.value.details["fields"]] == [path]
    assert not MemoryItem.objects.exists()
