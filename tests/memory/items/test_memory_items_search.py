"""What a search of memory finds, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memory.knowledge.meaning import Meaning, meanings
from memory.models import MemoryItem
from memory.selectors.item_search import Found, memory_items_search
from memory.services.items import memory_item_add
from memory.services.items_embed import memory_items_embed
from taskmapr.core.ports import KeyUnavailable
from taskmapr.users.models import User
from taskmapr.users.services.data_keys import data_key_destroy, data_key_rotate
from tests.memory.embedders import Subjects

pytestmark = pytest.mark.req("IN-16")


def search(user: User, query: str, *, mode: Any = "keyword", **wanted: Any) -> list[Found]:
    meaning: Meaning | None = None if mode == "keyword" else async_to_sync(meanings.of)(query)
    return memory_items_search(user_id=user.pk, query=query, mode=mode, meaning=meaning, **wanted)


def texts(found: list[Found]) -> list[str]:
    return [item.text for item in found]


@pytest.fixture
def remember(ada: User) -> Callable[..., MemoryItem]:
    return lambda text, **rest: memory_item_add(user_id=ada.pk, text=text, **rest)


def test_a_word_is_found_however_it_is_written(ada: User, remember: Any) -> None:
    item = remember("Hello World", tags=["test"], metadata={"a": [1]})

    (found,) = search(ada, "WORLD!")

    assert (found.id, found.text, found.tags, found.metadata) == (
        item.pk,
        "Hello World",
        ("test",),
        {"a": [1]},
    )
    assert found.created_at == item.created_at
    assert (found.score, found.keyword_score, found.semantic_score) == (1.0, 1.0, None)


def test_what_has_none_of_the_words_is_not_found(ada: User, remember: Any) -> None:
    remember("Hello World")

    assert search(ada, "worlds") == []
    assert search(ada, "?!") == []


def test_only_own_items_that_are_not_past_their_time(ada: User, cyd: User, remember: Any) -> None:
    remember("green tea")
    remember("old tea", ttl_s=60)
    memory_item_add(user_id=cyd.pk, text="Cyd's tea")
    MemoryItem.objects.exclude(expires_at=None).update(expires_at="2020-01-01T00:00:00Z")

    assert texts(search(ada, "tea")) == ["green tea"]
    assert texts(search(cyd, "tea")) == ["Cyd's tea"]


def test_rarer_words_weigh_more(ada: User, remember: Any) -> None:
    remember("samovar")
    for n in range(5):
        remember(f"tea {n}")

    first, *rest = search(ada, "tea samovar")

    assert first.text == "samovar"
    assert len(rest) == 5
    assert first.keyword_score is not None
    assert rest[0].keyword_score is not None
    assert first.keyword_score > rest[0].keyword_score > 0
    assert first.keyword_score + rest[0].keyword_score == pytest.approx(1, abs=0.001)


def test_more_words_are_better_and_the_newest_first_among_equals(ada: User, remember: Any) -> None:
    for text in ("tea", "green tea", "tea again"):
        remember(text)

    found = search(ada, "green tea tomorrow")

    assert texts(found) == ["green tea", "tea again", "tea"]
    assert found[0].keyword_score is not None
    assert found[0].keyword_score < 1
    assert found[1].keyword_score == found[2].keyword_score


def test_all_tags_and_the_exact_namespace(ada: User, remember: Any) -> None:
    remember("tea one", tags=["a", "b"])
    remember("tea two", tags=["a"])
    remember("tea three", tags=["a", "b"], namespace="shop")

    assert texts(search(ada, "tea", tags=["b", "a", "a"])) == ["tea three", "tea one"]
    assert texts(search(ada, "tea", tags=["a", "b"], namespace="default")) == ["tea one"]
    assert texts(search(ada, "tea", namespace="shop")) == ["tea three"]
    assert search(ada, "tea", namespace="sho") == []
    assert search(ada, "tea", tags=["A"]) == []
    assert search(ada, "a b") == []


def test_no_more_than_wanted(ada: User, remember: Any) -> None:
    for n in range(12):
        remember(f"tea {n}")

    assert len(search(ada, "tea")) == 10
    assert texts(search(ada, "tea", limit=1)) == ["tea 11"]


def test_scripts_without_gaps(ada: User, remember: Any) -> None:
    remember("明日は東京に行きます")

    assert len(search(ada, "東京")) == len(search(ada, "京")) == 1
    assert search(ada, "京東") == []


# By meaning ---------------------------------------------------------------------------------------


@pytest.fixture
def greeted(ada: User, subjects: Subjects, remember: Any) -> None:
    for text in ("Hello World", "coffee world", "greeting cards"):
        remember(text)
    assert memory_items_embed() == 3


def test_a_meaning_finds_what_has_no_word_in_common(ada: User, greeted: None) -> None:
    found = search(ada, "hi", mode="semantic")

    assert {found[0].text, found[1].text} == {"Hello World", "greeting cards"}
    assert found[2].text == "coffee world"
    assert [item.semantic_score for item in found] == [1.0, 1.0, 0.0]
    assert {item.keyword_score for item in found} == {None}


def test_both_lists_count(ada: User, greeted: None) -> None:
    found = search(ada, "hello world", mode="hybrid")

    assert texts(found)[0] == "Hello World"
    assert (found[0].score, found[0].keyword_score, found[0].semantic_score) == (1.0, 1.0, 1.0)
    by_text = {item.text: item for item in found}
    assert by_text["greeting cards"].keyword_score == 0
    assert by_text["coffee world"].semantic_score == 0
    assert all(0 < item.score < 1 for item in found[1:])


def test_what_has_no_vector_yet_is_found_by_its_words(
    ada: User, greeted: None, remember: Any
) -> None:
    remember("world peace")

    found = {item.text: item for item in search(ada, "world", mode="hybrid")}

    assert found["world peace"].semantic_score is None
    assert "world peace" not in texts(search(ada, "world", mode="semantic"))


def test_vectors_of_another_model_are_not_compared(ada: User, greeted: None, use: Any) -> None:
    use(Subjects({"hello"}, model="newer"))

    assert search(ada, "hi", mode="semantic") == []
    assert [item.semantic_score for item in search(ada, "cards", mode="hybrid")] == [None]


def test_the_meaning_of_other_peoples_items_is_not_measured(
    ada: User, cyd: User, greeted: None
) -> None:
    assert search(cyd, "hi", mode="semantic") == []
    assert search(ada, "hi", mode="semantic", tags=["x"]) == []


# Keys ---------------------------------------------------------------------------------------------


def test_items_of_a_retired_key_are_found_beside_new_ones(ada: User, remember: Any) -> None:
    remember("old tea", tags=["a"])
    data_key_rotate(user_id=ada.pk)
    remember("new tea", tags=["a"])

    assert texts(search(ada, "tea", tags=["a"])) == ["new tea", "old tea"]
    assert {item.keyword_score for item in search(ada, "tea")} == {1.0}


def test_a_destroyed_key_opens_nothing_from_that_moment(ada: User, remember: Any) -> None:
    remember("tea")
    assert search(ada, "tea")

    data_key_destroy(user_id=ada.pk)

    with pytest.raises(KeyUnavailable):
        search(ada, "tea")
    with pytest.raises(KeyUnavailable):
        remember("tea")
    assert MemoryItem.objects.count() == 1


def test_two_owners_have_no_hash_in_common(ada: User, cyd: User) -> None:
    for user in (ada, cyd):
        memory_item_add(user_id=user.pk, text="the same words", tags=["tag"])

    first, second = (set(row) for row in MemoryItem.objects.values_list("keywords", flat=True))
    assert len(first) == len(second) == 4
    assert not first & second


def test_a_broken_item_hides_no_other(ada: User, remember: Any) -> None:
    remember("whole tea")
    broken = remember("broken tea")
    MemoryItem.objects.filter(pk=broken.pk).update(sealed="not sealed by anybody")

    assert texts(search(ada, "tea")) == ["whole tea"]


def test_one_statement_does_it(ada: User, remember: Any) -> None:
    remember("tea")
    with CaptureQueriesContext(connection) as asked:
        remember("more tea")
        search(ada, "tea")
    assert len(asked) == 2
