"""Items become vectors in the background."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from memory.models import MemoryItem
from memory.services import embedding
from memory.services.items import memory_item_add
from memory.services.items_embed import (
    LOCK,
    MAX_EMBEDDED,
    memory_items_embed,
    memory_items_reembed,
)
from taskmapr.core import jobs, wired
from taskmapr.core.errors import ModelFailed, NotConfigured
from taskmapr.users.models import User
from taskmapr.users.services.data_keys import data_key_destroy
from tests.fakes import RecordingQueue
from tests.memory.embedders import Subjects

pytestmark = pytest.mark.req("IN-15")


def states() -> list[tuple[str, str, bool]]:
    rows = MemoryItem.objects.order_by("created_at")
    return [(i.embedding_model, i.embedding_refusal, i.embedding is not None) for i in rows]


def test_everybodys_items_get_a_vector_once(ada: User, cyd: User, subjects: Subjects) -> None:
    memory_item_add(user_id=ada.pk, text="Ada's tea")
    memory_item_add(user_id=cyd.pk, text="Cyd's " + "x" * MAX_EMBEDDED)

    assert memory_items_embed() == 2
    assert memory_items_embed() == 0

    ((first, second),) = subjects.asked
    assert {first, second} == {"Ada's tea", ("Cyd's " + "x" * MAX_EMBEDDED)[:MAX_EMBEDDED]}
    assert states() == [("subjects", "", True)] * 2


def test_without_a_model_nothing_happens(ada: User, use: Any) -> None:
    use(None)
    memory_item_add(user_id=ada.pk, text="tea")

    assert memory_items_embed() == 0
    assert states() == [("", "", False)]


def test_items_go_out_in_batches(
    ada: User, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 2)
    for n in range(5):
        memory_item_add(user_id=ada.pk, text=f"tea {n}")

    assert memory_items_embed() == 5
    assert [len(batch) for batch in subjects.asked] == [2, 2, 1]


def test_another_model_embeds_everything_again(ada: User, use: Any) -> None:
    memory_item_add(user_id=ada.pk, text="tea")
    for model in ("b", "a", "c"):
        use(Subjects(model=model))
        assert memory_items_embed() == 1
        assert states() == [(model, "", True)]


def test_a_refused_text_stops_no_other_and_is_not_asked_again(
    ada: User, subjects: Subjects
) -> None:
    for n in range(6):
        memory_item_add(user_id=ada.pk, text="odd" if n == 3 else f"tea {n}")
    subjects.refuses = "odd"

    assert memory_items_embed() == 5
    assert states()[3] == ("subjects", "Too odd (status 400).", False)

    asked = len(subjects.asked)
    assert memory_items_embed() == 0
    assert len(subjects.asked) == asked


def test_a_model_that_is_away_marks_nothing(
    ada: User, subjects: Subjects, caplog: pytest.LogCaptureFixture
) -> None:
    memory_item_add(user_id=ada.pk, text="tea")
    subjects.failure = ModelFailed("No luck.")

    with caplog.at_level(logging.WARNING):
        assert memory_items_embed() == 0
    assert states() == [("", "", False)]

    subjects.failure = None
    assert memory_items_embed() == 1


@pytest.mark.req("DP-133")
def test_items_whose_key_is_gone_are_passed_by(ada: User, cyd: User, subjects: Subjects) -> None:
    memory_item_add(user_id=cyd.pk, text="Cyd's")
    broken = memory_item_add(user_id=ada.pk, text="broken")
    memory_item_add(user_id=ada.pk, text="Ada's")
    MemoryItem.objects.filter(pk=broken.pk).update(sealed="not sealed by anybody")
    data_key_destroy(user_id=cyd.pk)

    assert memory_items_embed() == 1

    gone = ("subjects", "Its owner's key does not open it.", False)
    assert states() == [gone, gone, ("subjects", "", True)]
    assert subjects.asked == [["Ada's"]]


def test_what_is_past_its_time_is_not_sent(ada: User, subjects: Subjects) -> None:
    memory_item_add(user_id=ada.pk, text="old", ttl_s=60)
    MemoryItem.objects.update(expires_at="2020-01-01T00:00:00Z")

    assert memory_items_embed() == 0
    assert subjects.asked == []


@pytest.mark.django_db(transaction=True)
def test_no_text_is_sent_by_two_processes(ada: User, subjects: Subjects) -> None:
    memory_item_add(user_id=ada.pk, text="tea")
    with connections["default"].copy().cursor() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        assert memory_items_embed() == 0
        other.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    assert subjects.asked == []
    assert memory_items_embed() == 1


# Again --------------------------------------------------------------------------------------------


@pytest.mark.req("IN-47")
def test_one_users_items_are_embedded_again(
    ada: User, cyd: User, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = RecordingQueue()
    ports = replace(wired.ports(), queue=queue)
    monkeypatch.setattr(wired, "ports", lambda: ports)
    subjects.refuses = "odd"
    for user, text in ((ada, "tea"), (ada, "odd"), (cyd, "Cyd's")):
        memory_item_add(user_id=user.pk, text=text)
    memory_items_embed()
    subjects.refuses, subjects.asked = None, []

    assert memory_items_reembed(user_id=ada.pk) == 2

    assert queue.jobs == [(jobs.MEMORY_ITEMS_EMBED, (), jobs.QUEUE_CHORES)]
    assert memory_items_embed() == 2
    assert [sorted(batch) for batch in subjects.asked] == [["odd", "tea"]]
    assert states() == [("subjects", "", True)] * 3


@pytest.mark.req("IN-47")
def test_embedding_again_needs_a_model(ada: User, use: Any) -> None:
    use(None)
    with pytest.raises(NotConfigured):
        memory_items_reembed(user_id=ada.pk)
