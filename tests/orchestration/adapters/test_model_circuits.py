"""A provider of models that fails again and again is left alone, by all processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestration.adapters.model_routes import RoutedModel, service_of
from orchestration.adapters.openai_chat import OpenAIChatModel
from taskmapr.core.errors import (
    CircuitOpen,
    ModelAuthFailed,
    ModelFailed,
    ModelRefusedContext,
    ModelRequestRefused,
    TaskMaprError,
)
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ModelResponse, ModelSink
from taskmapr.foundation.http import breakers
from taskmapr.foundation.http.breaker_scripts import circuit_keys
from taskmapr.foundation.http.breaker_settings import Limits, limits_read_by
from taskmapr.foundation.http.breaker_states import circuits_now
from taskmapr.foundation.redis_client import redis_client
from tests.circuits import own_circuits, state_of
from tests.modelserver.process import ScriptedServer
from tests.orchestration.adapters.conformance import Heard

__all__ = ["own_circuits"]

pytestmark = pytest.mark.usefixtures("own_circuits")

SERVICE = "model:models.example"
ENDPOINT = ModelEndpoint(model="m", base_url="https://models.example/v1")


@asynccontextmanager
async def openai() -> AsyncIterator[OpenAIChatModel]:
    adapter = OpenAIChatModel()
    try:
        yield adapter
    finally:
        await adapter.close()


class Scripted:
    """Ends each turn as it is told; None ends it well."""

    def __init__(self, turns: Sequence[TaskMaprError | None]) -> None:
        self.turns = list(turns)

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        if (error := self.turns.pop(0)) is not None:
            raise error
        return answered()


def answered() -> ModelResponse:
    return ModelResponse(
        text="Hi.",
        reasoning="",
        tool_calls=[],
        input_tokens=0,
        output_tokens=0,
        finish_reason="stop",
        model="m",
    )


async def ask(port: RoutedModel, endpoint: ModelEndpoint = ENDPOINT) -> ModelResponse:
    request = ModelRequest(endpoint=endpoint, instructions="", messages=[])
    return await port.respond(request, Heard())


def routed(*turns: TaskMaprError | None) -> RoutedModel:
    return RoutedModel({"openai": Scripted(turns)})


@pytest.mark.req("IN-31")
@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        (ModelEndpoint(model="gpt-5-mini"), "model:api.openai.com"),
        (ENDPOINT, SERVICE),
        (ModelEndpoint(model="ollama/llama3"), "model:127.0.0.1:11434"),
        (ModelEndpoint(model="anthropic/claude"), "model:anthropic"),
        (ModelEndpoint(model="m", base_url="http://[fd00::1]:8000/v1"), "model:fd00::1:8000"),
        (ModelEndpoint(model="m", base_url="http://host:port"), "model:?"),
        (
            ModelEndpoint(model="azure/m", base_url="https://mine.example", adapter="litellm"),
            "model:mine.example",
        ),
    ],
)
def test_each_provider_has_a_circuit_of_its_own(endpoint: ModelEndpoint, service: str) -> None:
    assert service_of(endpoint) == service


@pytest.mark.req("IN-31")
async def test_after_five_outages_it_is_not_asked_and_others_are() -> None:
    port = routed(*[ModelFailed()] * 5, None)
    for _ in range(5):
        with pytest.raises(ModelFailed):
            await ask(port)

    with pytest.raises(CircuitOpen) as refused:
        await ask(port)

    assert refused.value.details["service"] == SERVICE
    assert state_of(SERVICE) == "open"
    other = ModelEndpoint(model="m", base_url="https://other.example/v1")
    assert (await ask(port, other)).text == "Hi."


@pytest.mark.req("IN-31")
@pytest.mark.parametrize(
    "error",
    [
        ModelAuthFailed(),
        ModelRefusedContext(),
        ModelRequestRefused(),
        ModelFailed("too many", is_outage=False),
    ],
)
async def test_what_is_no_outage_does_not_count(error: ModelFailed) -> None:
    port = routed(*[error] * 8, None)
    for _ in range(8):
        with pytest.raises(type(error)):
            await ask(port)

    assert (await ask(port)).text == "Hi."
    assert state_of(SERVICE) == "closed"


@pytest.mark.req("IN-31")
@pytest.mark.parametrize(
    ("status", "counts"), [(500, True), (503, True), (408, False), (429, False), (400, False)]
)
async def test_of_a_real_answer_only_the_server_s_own_failures_count(
    server: ScriptedServer, status: int, counts: bool
) -> None:
    async with openai() as adapter:
        endpoint = ModelEndpoint(model=f"status-{status}", base_url=server.base_url)
        port = RoutedModel({"openai": adapter})
        for _ in range(5):
            with pytest.raises(ModelFailed):
                await ask(port, endpoint)
        refused = CircuitOpen if counts else ModelFailed
        with pytest.raises(refused):
            await ask(port, endpoint)
    assert len(server.requests()) == (5 if counts else 6)


@pytest.mark.req("IN-31")
async def test_the_built_in_model_has_no_circuit() -> None:
    port = RoutedModel({"offline": Scripted([ModelFailed()] * 6)})
    for _ in range(6):
        with pytest.raises(ModelFailed):
            await ask(port, ModelEndpoint(model="mock/echo"))
    assert circuits_now() == []


@pytest.mark.req("IN-31")
async def test_without_redis_every_turn_is_tried(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    breakers.forget()
    port = routed(*[ModelFailed()] * 6, None)
    for _ in range(6):
        with pytest.raises(ModelFailed):
            await ask(port)
    assert (await ask(port)).text == "Hi."


class Slow:
    """Says a word, and the rest when it is let."""

    def __init__(self) -> None:
        self.rest = asyncio.Event()

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        sink.text("Hi")
        await self.rest.wait()
        return answered()


@pytest.mark.req("IN-31")
async def test_the_first_words_of_long_answers_close_it() -> None:
    limits_read_by(lambda: {SERVICE: Limits(failures=1, open_s=0.0, successes=2)})
    with pytest.raises(ModelFailed):
        await ask(routed(ModelFailed()))
    slow = Slow()
    port = RoutedModel({"openai": slow})

    under_way = [asyncio.ensure_future(ask(port))]
    async with asyncio.timeout(10):
        while state_of(SERVICE) != "half_open" or _is_probed():
            await asyncio.sleep(0.01)
        under_way.append(asyncio.ensure_future(ask(port)))
        while state_of(SERVICE) != "closed":
            await asyncio.sleep(0.01)
    assert not any(task.done() for task in under_way)

    slow.rest.set()
    assert [r.text for r in await asyncio.gather(*under_way)] == ["Hi."] * 2


def _is_probed() -> bool:
    return bool(redis_client().hexists(circuit_keys(SERVICE)[0], "probe"))
