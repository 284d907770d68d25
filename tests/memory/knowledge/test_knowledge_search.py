"""What a question finds, and in which order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from memory.knowledge.meaning import Meaning
from memory.knowledge.statements import looked_through_for
from memory.models import KnowledgeChunk
from memory.selectors.knowledge_search import Hit, knowledge_search
from memory.services.knowledge_index import knowledge_refresh
from taskmapr.core.errors import InvalidInput, NotFound
from tests.memory.knowledge.conftest import Folder

pytestmark = pytest.mark.django_db


def search(query: str, **changes: Any) -> list[Hit]:
    given: dict[str, Any] = {"collection": None, "top_k": 5, "names": ["*"], "meaning": None}
    return knowledge_search(query=query, **{**given, **changes})


def found(query: str, **changes: Any) -> list[str]:
    return [hit.document for hit in search(query, **changes)]


def axis(number: int) -> list[float]:
    return [1.0 if n == number else 0.0 for n in range(1536)]


def embed(path: str, vector: list[float], model: str = "m") -> None:
    KnowledgeChunk.objects.filter(document__path=path).update(
        embedding=vector, embedding_model=model
    )


@pytest.mark.req("OV-41")
def test_a_hit_says_where_it_is_and_shows_the_place(folder: Folder) -> None:
    folder.write("tea/deep/green.md", f"# Green tea\n\n{'Leaves. ' * 60} The samovar is hot.")
    knowledge_refresh()

    (hit,) = search("samovar")

    assert (hit.collection, hit.document, hit.title) == ("tea", "deep/green.md", "Green tea")
    assert hit.score == 1.0
    assert hit.snippet.startswith("...")
    assert "The samovar is hot." in hit.snippet


@pytest.mark.req("OV-42")
def test_titles_weigh_more_than_headings_and_these_more_than_text(folder: Folder) -> None:
    fill = "Other words that fill the place. " * 20
    folder.write("tea/text.md", f"# Boiling\n\nThe samovar. {fill}")
    folder.write("tea/heading.md", f"# Heating\n\n{fill}\n\n## Samovar\n\n{fill}")
    folder.write("tea/title.md", f"# Samovar\n\n{fill}")
    knowledge_refresh()

    assert found("samovar") == ["title.md", "heading.md", "text.md"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("deploying", "another ending of the word"),
        ("deploy", "the word itself"),
        ("deplo", "the beginning of the word"),
        ("how do I deploy the server?", "words that say nothing are not needed"),
        ("DEPLOYMENT, servers!", "case and signs do not count"),
        ("deploy zebra", "one of the words is there"),
    ],
)
def test_finds_by(folder: Folder, query: str, why: str) -> None:
    folder.write("ops/a.md", "# Going live\n\nA deployment needs a server.")
    folder.write("ops/b.md", "# Tea\n\nGreen.")
    knowledge_refresh()

    assert found(query) == ["a.md"], why


def test_all_words_come_before_some_and_exact_ones_before_beginnings(folder: Folder) -> None:
    folder.write("tea/some.md", "# Run\n\nrun run run")
    folder.write("tea/begins.md", "# X\n\nruntime lease")
    folder.write("tea/exact.md", "# X\n\nLong words between. A run has, as is said, its lease.")
    knowledge_refresh()

    assert found("run lease") == ["exact.md", "begins.md", "some.md"]


def test_each_document_is_one_hit(folder: Folder) -> None:
    folder.write("tea/a.md", "\n\n".join(f"## Part {n}\n\n{'samovar ' * 70}" for n in range(9)))
    folder.write("tea/b.md", "# B\n\nsamovar")
    knowledge_refresh()

    assert sorted(found("samovar", top_k=2)) == ["a.md", "b.md"]


@pytest.mark.req("OV-42")
@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (20, 20), (0, 1), (99, 20)])
def test_gives_as_many_as_asked_for_within_bounds(folder: Folder, top_k: int, count: int) -> None:
    for n in range(25):
        folder.write(f"tea/{n}.md")
    knowledge_refresh()

    hits = search("green", top_k=top_k)

    assert len(hits) == count
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.req("OV-41")
def test_only_visible_collections_are_searched(folder: Folder) -> None:
    for name in ("tea", "coffee", "secret"):
        folder.write(f"{name}/{name}.md", "# Hot drinks")
    knowledge_refresh()

    assert found("drinks") == ["coffee.md", "secret.md", "tea.md"]
    assert found("drinks", collection="tea") == ["tea.md"]
    assert found("drinks", names=["tea", "coffee"]) == ["coffee.md", "tea.md"]
    assert found("drinks", names=[]) == []
    for names in (["tea"], []):
        with pytest.raises(NotFound, match=r"^Collection 'secret' not found\.$"):
            search("drinks", collection="secret", names=names)
    with pytest.raises(NotFound, match=r"^Collection 'x' not found\.$"):
        search("drinks", collection="x")


@pytest.mark.req("OV-41")
@pytest.mark.parametrize("query", ["", "   ", "?!", "___", "\\"])
def test_an_empty_query_is_refused(folder: Folder, query: str) -> None:
    with pytest.raises(InvalidInput, match=r"^The query is empty\.$"):
        search(query)


@pytest.mark.parametrize("query", ["the", "zebra", "' | !x", "%s %(ids)s", '"open quote'])
def test_a_query_without_a_match_finds_nothing(folder: Folder, query: str) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()

    assert search(query) == []


@pytest.mark.req("OV-42")
def test_meaning_finds_what_no_word_does(folder: Folder) -> None:
    folder.write("tea/near.md", "# Beverage\n\nHot water and leaves.")
    folder.write("tea/far.md", "# Motor\n\nOil.")
    folder.write("tea/other.md", "# Old\n\nMade by another model.")
    knowledge_refresh()
    embed("near.md", axis(0))
    embed("far.md", [0.1 if n == 0 else 1.0 if n == 1 else 0.0 for n in range(1536)])
    embed("other.md", axis(0), model="another")

    hits = search("samovar", meaning=Meaning(axis(0), "m"))

    assert [hit.document for hit in hits] == ["near.md", "far.md"]
    assert hits[0].score == 0.5
    assert hits[0].snippet == "Hot water and leaves."


@pytest.mark.req("OV-42")
def test_first_by_words_and_by_meaning_is_first_of_all(folder: Folder) -> None:
    folder.write("tea/both.md", "# Drinks\n\nThe samovar, somewhere in it.")
    folder.write("tea/words.md", "# Samovar\n\nThe samovar.")
    folder.write("tea/meaning.md", "# Kettle\n\nIt boils.")
    knowledge_refresh()
    embed("both.md", axis(0))
    embed("meaning.md", [0.9 if n == 0 else 0.3 if n == 1 else 0.0 for n in range(1536)])
    embed("words.md", axis(7))

    hits = search("samovar", meaning=Meaning(axis(0), "m"))

    assert [hit.document for hit in hits] == ["both.md", "words.md", "meaning.md"]
    assert hits[0].score == round((61 / 62 + 1) / 2, 4)


def test_meaning_looks_into_visible_collections_only(folder: Folder) -> None:
    folder.write("tea/tea.md", "# One")
    folder.write("secret/secret.md", "# Two")
    knowledge_refresh()
    KnowledgeChunk.objects.update(embedding=axis(0), embedding_model="m")

    assert found("samovar", names=["tea"], meaning=Meaning(axis(0), "m")) == ["tea.md"]


def test_documents_that_cannot_be_searched_are_not_found(folder: Folder) -> None:
    file = folder.write("tea/a.md", "# Samovar")
    knowledge_refresh()
    file.unlink()
    file.symlink_to("/etc/hostname")
    knowledge_refresh()

    assert search("samovar") == []


def test_one_query_by_words_and_some_more_for_a_collection_or_a_meaning(
    folder: Folder, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()

    with django_assert_num_queries(1):
        search("green")
    with django_assert_num_queries(2):
        search("green", collection="tea")
    with django_assert_num_queries(5):  # with the two marks of its transaction
        search("green", meaning=Meaning(axis(0), "m"))


@pytest.mark.parametrize("few", [0, 500])
def test_large_and_small_collections_are_searched_alike(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("memory.selectors.knowledge_search.FEW", few)
    for n in range(30):
        folder.write(f"others/{n}.md", f"# Other {n}")
    folder.write("tea/tea.md", "# One")
    knowledge_refresh()
    KnowledgeChunk.objects.update(embedding=axis(0), embedding_model="m")
    embed("tea.md", axis(1))

    meant = found("samovar", collection="tea", meaning=Meaning(axis(0), "m"))

    assert meant == ["tea.md"]


def test_documents_are_found_behind_one_with_very_many_near_pieces(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.selectors.knowledge_search.FEW", 0)
    sections = "\n\n".join(f"## Part {n}\n\n{'Words. ' * 200}" for n in range(60))
    folder.write("tea/long.md", f"# Long\n\n{sections}")
    folder.write("tea/short.md", "# Short")
    knowledge_refresh()
    assert 40 < KnowledgeChunk.objects.filter(document__path="long.md").count() < 80
    embed("long.md", axis(0))
    embed("short.md", [0.9, 0.1] + [0.0] * 1534)

    meant = found("samovar", meaning=Meaning(axis(0), "m"), top_k=5)

    assert meant == ["long.md", "short.md"]


def test_the_nearest_of_many_are_those_that_measuring_each_finds(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts about a hundred things, so that near and far differ as they do among real ones."""
    for n in range(600):
        folder.write(f"{'others' if n < 200 else 'tea'}/{n}.md", f"# Text {n}")
    knowledge_refresh()
    made = random.Random(4)
    things = [[made.gauss(0, 1) for _ in range(1536)] for _ in range(100)]
    pieces = list(KnowledgeChunk.objects.order_by("id"))
    for n, piece in enumerate(pieces):
        piece.embedding = [x + made.gauss(0, 0.5) for x in things[n % 100]]
        piece.embedding_model = "m"
    KnowledgeChunk.objects.bulk_update(pieces, ["embedding", "embedding_model"], batch_size=100)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE knowledge_chunks")
    asked = [[x + made.gauss(0, 0.5) for x in thing] for thing in things[:20]]

    def nearest(vector: list[float], few: int) -> set[str]:
        monkeypatch.setattr("memory.selectors.knowledge_search.FEW", few)
        return {*found("samovar", collection="tea", meaning=Meaning(vector, "m"), top_k=4)}

    shared = [nearest(vector, 1_000) & nearest(vector, 0) for vector in asked]

    assert sum(map(len, shared)) >= 76  # of 80


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        pytest.param(5, 1.0, 40, id="all visible: the least"),
        pytest.param(5, 0.25, 80, id="a quarter: four times the pieces"),
        pytest.param(20, 1.0, 80, id="more documents, more pieces"),
        pytest.param(20, 0.25, 240, id="never more than the most"),
        pytest.param(5, 0.0, 240, id="not known yet: the most"),
    ],
)
def test_looks_through_more_where_less_may_be_seen(count: int, share: float, expected: int) -> None:
    assert looked_through_for(count=count, share=share) == expected
