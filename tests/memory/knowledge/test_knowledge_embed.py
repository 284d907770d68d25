"""Pieces become vectors in the background, and questions when they are asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections

from memory.knowledge import meaning
from memory.knowledge.meaning import meanings
from memory.models import KnowledgeChunk, KnowledgeCollection
from memory.services import embedding
from memory.services.knowledge_embed import LOCK, knowledge_embed
from memory.services.knowledge_index import knowledge_collection_reindex, knowledge_refresh
from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed, ModelRequestRefused
from tests.fakes import RecordingQueue
from tests.memory.knowledge.conftest import Folder

pytestmark = pytest.mark.django_db


class Axes:
    """An embedder that keeps what it was asked and gives each text an axis of its own."""

    def __init__(self, model: str = "m") -> None:
        self.model = model
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None
        #: Texts with this in them are refused for good.
        self.refuses: str | None = None

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        self.asked.append(list(texts))
        if self.failure is not None:
            raise self.failure
        if self.refuses is not None and any(self.refuses in text for text in texts):
            raise ModelRequestRefused("Too odd (status 400).")
        return [[float(n == len(text) % 1536) for n in range(1536)] for text in texts]


@pytest.fixture
def axes(use: Callable[[Any], None]) -> Axes:
    embedder = Axes()
    use(embedder)
    return embedder


def models() -> list[str]:
    return list(KnowledgeChunk.objects.order_by("pk").values_list("embedding_model", flat=True))


@pytest.mark.req("OV-42")
def test_every_piece_gets_a_vector_once(folder: Folder, axes: Axes) -> None:
    folder.write("tea/a.md", "# Tea\n\nGreen.")
    folder.write("tea/b.md", "---\ntitle: Oil\n---\n# Motor\n\nBlack.")
    knowledge_refresh()

    assert knowledge_embed() == 2
    assert knowledge_embed() == 0

    assert [sorted(batch) for batch in axes.asked] == [["Oil\n\nBlack.", "Tea\n\nGreen."]]
    assert models() == ["m", "m"]


def test_pieces_go_out_in_batches(
    folder: Folder, axes: Axes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 2)
    for n in range(5):
        folder.write(f"tea/{n}.md")
    knowledge_refresh()

    assert knowledge_embed() == 5
    assert [len(batch) for batch in axes.asked] == [2, 2, 1]


def test_another_model_embeds_everything_again(folder: Folder, use: Any) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    for model in ("one", "two"):
        use(Axes(model))
        assert knowledge_embed() == 1
        assert models() == [model]


@pytest.mark.req("OV-42")
def test_without_a_model_nothing_happens(folder: Folder, use: Any) -> None:
    use(None)
    folder.write("tea/a.md")
    knowledge_refresh()

    assert knowledge_embed() == 0
    assert async_to_sync(meanings.of)("tea") is None


def test_a_failure_is_shown_until_it_is_over(folder: Folder, axes: Axes) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    axes.failure = ModelFailed("No luck.")

    assert knowledge_embed() == 0
    assert len(axes.asked) == 1
    assert KnowledgeCollection.objects.get().embedding_problem == "No luck."

    axes.failure = None
    assert knowledge_embed() == 1
    assert KnowledgeCollection.objects.get().embedding_problem == ""


@pytest.mark.req("OV-42")
def test_a_piece_that_is_refused_for_good_stops_no_other(folder: Folder, axes: Axes) -> None:
    for n in range(10):
        folder.write(f"tea/{n}.md", "# Odd" if n in (0, 6) else "# Tea")
    knowledge_refresh()
    axes.refuses = "Odd"

    assert knowledge_embed() == 8

    refused = KnowledgeChunk.objects.filter(embedding=None)
    assert sorted(refused.values_list("document__path", "embedding_refusal")) == [
        ("0.md", "Too odd (status 400)."),
        ("6.md", "Too odd (status 400)."),
    ]
    assert KnowledgeCollection.objects.get().embedding_problem == ""
    asked = len(axes.asked)
    assert knowledge_embed() == 0
    assert len(axes.asked) == asked


def test_a_model_that_refuses_everything_marks_no_piece(folder: Folder, axes: Axes) -> None:
    for n in range(3):
        folder.write(f"tea/{n}.md")
    knowledge_refresh()
    axes.refuses = ""

    assert knowledge_embed() == 0
    assert models() == [""] * 3
    assert KnowledgeCollection.objects.get().embedding_problem == "Too odd (status 400)."

    axes.refuses = None
    assert knowledge_embed() == 3
    assert KnowledgeCollection.objects.get().embedding_problem == ""


@pytest.mark.parametrize("again", ["another model", "index again", "other words"])
def test_a_refused_piece_is_asked_again(
    folder: Folder, axes: Axes, use: Any, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("tea/a.md", "# Odd")
    knowledge_refresh()
    axes.refuses = "Odd"
    assert knowledge_embed() == 0
    assert KnowledgeChunk.objects.get().embedding_refusal

    if again == "another model":
        use(Axes("other"))
    elif again == "index again":
        axes.refuses = None
        ports = replace(wired.ports(), queue=RecordingQueue())
        monkeypatch.setattr(wired, "ports", lambda: ports)
        knowledge_collection_reindex(collection=KnowledgeCollection.objects.get())
    else:
        folder.write("tea/a.md", "# Tea that is not")
        knowledge_refresh()

    assert knowledge_embed() == 1
    assert KnowledgeChunk.objects.get().embedding_refusal == ""


@pytest.mark.django_db(transaction=True)
def test_no_text_is_sent_by_two_processes(folder: Folder, axes: Axes) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    with connections["default"].copy().cursor() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        assert knowledge_embed() == 0
        other.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    assert axes.asked == []
    assert knowledge_embed() == 1


# Questions ----------------------------------------------------------------------------------------


def ask(query: str) -> Any:
    return async_to_sync(meanings.of)(query)


def test_a_question_is_embedded_once(folder: Folder, axes: Axes) -> None:
    first = ask(" where is tea? ")

    assert (first.model, len(first.vector), sum(first.vector)) == ("m", 1536, 1.0)
    assert ask("where is tea?") is first
    assert axes.asked == [["where is tea?"]]


def test_an_empty_question_is_not_sent(folder: Folder, axes: Axes) -> None:
    assert ask("  ") is None
    assert axes.asked == []


@pytest.mark.req("OV-42")
def test_after_a_failure_words_must_do_for_a_while(
    folder: Folder, axes: Axes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1000.0
    monkeypatch.setattr(meaning.time, "monotonic", lambda: clock)
    axes.failure = ModelFailed("No luck.")
    assert ask("tea") is None
    axes.failure = None

    assert ask("tea") is None
    assert len(axes.asked) == 1

    clock += meaning.PAUSE_S
    assert math.isclose(sum(ask("tea").vector), 1.0)


def test_only_so_many_questions_are_remembered(
    folder: Folder, axes: Axes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "_REMEMBERED", 2)
    for query in ("a", "b", "a", "c", "a", "b"):
        ask(query)

    assert axes.asked == [["a"], ["b"], ["c"], ["b"]]
