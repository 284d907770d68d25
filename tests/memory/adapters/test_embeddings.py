"""The embedder for OpenAI-compatible endpoints, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from memory.adapters.embeddings import HttpEmbedder
from memory.adapters.vectors import vectors_of
from taskmapr.core.errors import (
    ModelAuthFailed,
    ModelFailed,
    ModelRequestRefused,
)
from tests.modelserver.process import ScriptedServer, running_model_server


@pytest.fixture(scope="module")
def running_server() -> Iterator[ScriptedServer]:
    with running_model_server() as server:
        yield server


@pytest.fixture
def server(running_server: ScriptedServer) -> ScriptedServer:
    running_server.reset()
    return running_server


def embedder(server: ScriptedServer, model: str, key: str = "") -> HttpEmbedder:
    return HttpEmbedder(address=server.base_url, model=model, api_key=key)


@pytest.mark.req("OV-42")
async def test_each_text_has_a_vector_in_its_place(server: ScriptedServer) -> None:
    vectors = await embedder(server, "text-embedding-3-small", "sk-key").embed(
        ["green tea", "tea of green", "motor oil"], timeout_s=5
    )

    assert [len(vector) for vector in vectors] == [1536] * 3
    assert _likeness(vectors[0], vectors[1]) > _likeness(vectors[0], vectors[2])
    (asked,) = server.requests()
    assert asked["path"] == "/v1/embeddings"
    assert asked["headers"]["authorization"] == "Bearer sk-key"
    assert asked["body"] == {
        "model": "text-embedding-3-small",
        "input": ["green tea", "tea of green", "motor oil"],
        "encoding_format": "float",
        "dimensions": 1536,
    }


def _likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_other_models_are_not_asked_for_a_length_and_no_key_is_made_up(
    server: ScriptedServer,
) -> None:
    await embedder(server, "nomic-embed-text").embed(["tea"], timeout_s=5)

    (asked,) = server.requests()
    assert "dimensions" not in asked["body"]
    assert "authorization" not in asked["headers"]


async def test_nothing_to_embed_asks_nobody(server: ScriptedServer) -> None:
    assert await embedder(server, "m").embed([], timeout_s=5) == []
    assert server.requests() == []


async def test_short_vectors_are_filled_up_and_order_is_by_index(server: ScriptedServer) -> None:
    (short,) = await embedder(server, "dims-8").embed(["tea"], timeout_s=5)
    assert len(short) == 1536
    assert not any(short[8:])

    straight = await embedder(server, "m").embed(["tea", "oil"], timeout_s=5)
    assert await embedder(server, "backwards").embed(["tea", "oil"], timeout_s=5) == straight


@pytest.mark.parametrize(
    ("model", "failure"),
    [
        ("status-401", ModelAuthFailed),
        ("status-403", ModelAuthFailed),
        ("status-400", ModelRequestRefused),
        ("status-429", ModelFailed),
        ("status-503", ModelFailed),
        ("garbled", ModelFailed),
        ("few", ModelFailed),
        ("nan", ModelFailed),
        ("dims-3072", ModelRequestRefused),
    ],
)
async def test_failures_are_ours_and_tell_neither_key_nor_text(
    server: ScriptedServer, model: str, failure: type[ModelFailed]
) -> None:
    with pytest.raises(ModelFailed) as raised:
        await embedder(server, model, "sk-secret").embed(["tea of Ada", "x"], timeout_s=5)

    assert type(raised.value) is failure
    assert raised.value.__cause__ is None
    assert "secret" not in str(raised.value)
    assert "Ada" not in str(raised.value)


async def test_silence_is_given_up_in_time(server: ScriptedServer) -> None:
    began = time.monotonic()

    with pytest.raises(ModelFailed, match=r"longer than 0\.2 s"):
        await embedder(server, "silent").embed(["tea"], timeout_s=0.2)

    assert time.monotonic() - began < 10


async def test_nobody_there_and_a_malformed_address() -> None:
    with pytest.raises(ModelFailed, match="not reachable"):
        await HttpEmbedder(address="http://127.0.0.1:1/v1", model="m").embed(["x"], timeout_s=5)
    with pytest.raises(ModelRequestRefused, match="not a valid URL"):
        await HttpEmbedder(address="nonsense", model="m").embed(["x"], timeout_s=5)


async def test_a_key_with_a_line_break_is_no_key(server: ScriptedServer) -> None:
    with pytest.raises(ModelAuthFailed, match="no key can have"):
        await embedder(server, "m", "sk\nx").embed(["x"], timeout_s=5)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"data": None},
        {"data": ["x"]},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": [0], "embedding": [1.0]}]},
        {"data": [{"embedding": [float("nan")]}]},
        {"data": [{"embedding": [0.0, 0.0]}]},
        {"data": [{"embedding": "text"}]},
    ],
)
def test_what_is_no_vector_is_not_stored(body: Any) -> None:
    with pytest.raises(ModelFailed):
        vectors_of(body, 1)
