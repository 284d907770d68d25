"""A provider of embeddings that fails again and again is left alone, by all processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from memory.adapters.guarded_embeddings import GuardedEmbedder
from memory.knowledge.meaning import meanings
from memory.services.embedding import _asked
from taskmapr import wiring
from taskmapr.core import wired
from taskmapr.core.errors import ModelAuthFailed, ModelFailed, ModelRequestRefused
from taskmapr.foundation.http import breakers
from tests.circuits import own_circuits, state_of
from tests.memory.embedders import Subjects

__all__ = ["own_circuits"]

pytestmark = [pytest.mark.usefixtures("own_circuits"), pytest.mark.req("IN-31")]

SERVICE = "embeddings:models.example"


@pytest.fixture
def subjects() -> Subjects:
    return Subjects({"tea"})


@pytest.fixture
def guarded(subjects: Subjects) -> GuardedEmbedder:
    return GuardedEmbedder(subjects, service=SERVICE)


async def fail(guarded: GuardedEmbedder, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ModelFailed):
            await guarded.embed(["tea"], timeout_s=5)


async def test_after_five_outages_nobody_waits_for_it(
    guarded: GuardedEmbedder, subjects: Subjects
) -> None:
    subjects.failure = ModelFailed("It took longer than 2 s.")
    await fail(guarded, 5)
    assert state_of(SERVICE) == "open"

    with pytest.raises(ModelFailed, match="left alone") as refused:
        await guarded.embed(["tea"], timeout_s=5)

    assert len(subjects.asked) == 5
    assert 1 <= (refused.value.retry_after_s or 0) <= 30


@pytest.mark.parametrize(
    "error",
    [ModelAuthFailed(), ModelRequestRefused(), ModelFailed("too many", is_outage=False)],
)
async def test_what_is_no_outage_does_not_count(
    guarded: GuardedEmbedder, subjects: Subjects, error: ModelFailed
) -> None:
    subjects.failure = error
    await fail(guarded, 8)

    assert len(subjects.asked) == 8


async def test_it_embeds_like_the_one_behind_it(guarded: GuardedEmbedder) -> None:
    assert guarded.model == "subjects"
    assert await guarded.embed([], timeout_s=5) == []
    assert len(await guarded.embed(["tea", "oil"], timeout_s=5)) == 2


async def test_a_search_goes_by_words_at_once(guarded: GuardedEmbedder, subjects: Subjects) -> None:
    subjects.failure = ModelFailed("away")
    await fail(guarded, 5)
    real = wired.ports()
    wired.wire(replace(real, embedder=guarded))
    meanings.forget()
    try:
        assert await meanings.of("tea") is None
    finally:
        wired.wire(real)
        meanings.forget()
    assert len(subjects.asked) == 5


def test_a_job_leaves_nothing_open_behind(guarded: GuardedEmbedder) -> None:
    before = len(breakers._clients)

    async_to_sync(_asked)(guarded, ["tea"])

    assert len(breakers._clients) == before


@pytest.mark.parametrize(
    ("model", "service"),
    [
        ("text-embedding-3-small", SERVICE),
        ("ollama/nomic-embed-text", "embeddings:127.0.0.1:11434"),
        ("voyage/voyage-3", "embeddings:voyage"),
    ],
)
def test_each_provider_has_one_apart_from_its_answers(
    settings: Any, model: str, service: str
) -> None:
    own = {"embedding_model": model, "openai_base_url": "https://models.example/v1"}
    settings.TASKMAPR = {**settings.TASKMAPR, **own}

    made = wiring._embedder()

    assert isinstance(made, GuardedEmbedder)
    assert made._service == service
