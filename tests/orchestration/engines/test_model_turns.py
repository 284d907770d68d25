"""Retries and fallbacks of a model turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestration.engines.model_turns import ResilientModel
from taskmapr.core.errors import CircuitOpen, ModelAuthFailed, ModelFailed, ModelRefusedContext
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ModelResponse, ModelSink

pytestmark = pytest.mark.anyio

DONE = ModelResponse(
    text="Hi.",
    reasoning="",
    tool_calls=[],
    input_tokens=1,
    output_tokens=1,
    finish_reason="stop",
    model="m",
)
Turn = ModelResponse | tuple[str, ModelFailed] | ModelFailed | CircuitOpen


class Port:
    """Answers each model with its turns; a pair says its text before it fails."""

    def __init__(self, **turns: Sequence[Turn]) -> None:
        self.turns = {name: list(answers) for name, answers in turns.items()}
        self.asked: list[str] = []

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        name = request.endpoint.model
        self.asked.append(name)
        turn = self.turns[name].pop(0)
        if isinstance(turn, tuple):
            sink.reasoning(turn[0])
            raise turn[1]
        if isinstance(turn, ModelFailed | CircuitOpen):
            raise turn
        sink.text(turn.text)
        return turn


class Sink:
    def __init__(self) -> None:
        self.said: list[str] = []

    def text(self, delta: str) -> None:
        self.said.append(delta)

    def reasoning(self, delta: str) -> None:
        self.said.append(delta)


class Setup:
    def __init__(self, port: Port) -> None:
        self.port, self.sink = port, Sink()
        self.slept: list[float] = []
        self.answering: list[str] = []
        self.model = ResilientModel(
            model=port,
            on_answering=lambda endpoint: self.answering.append(endpoint.model),
            sleep=self.sleep,
            jitter=lambda seconds: seconds,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def ask(self, *fallbacks: str) -> ModelResponse:
        endpoint = ModelEndpoint(
            model="first", fallbacks=[ModelEndpoint(model=name) for name in fallbacks]
        )
        request = ModelRequest(endpoint=endpoint, instructions="", messages=[])
        return await self.model.respond(request, self.sink)


async def test_a_good_turn_is_asked_once() -> None:
    setup = Setup(Port(first=[DONE]))
    assert await setup.ask() is DONE
    assert (setup.port.asked, setup.slept, setup.answering) == (["first"], [], ["first"])
    assert setup.sink.said == ["Hi."]


@pytest.mark.req("OV-65")
async def test_a_failure_before_output_is_retried_twice_with_growing_pauses() -> None:
    setup = Setup(Port(first=[ModelFailed(), ModelFailed(), DONE]))
    assert await setup.ask() is DONE
    assert setup.slept == [0.5, 1.5]
    assert setup.answering == ["first"]


@pytest.mark.req("OV-65")
async def test_the_third_failure_is_raised() -> None:
    last = ModelFailed("third")
    setup = Setup(Port(first=[ModelFailed(), ModelFailed(), last]))
    with pytest.raises(ModelFailed) as caught:
        await setup.ask()
    assert caught.value is last
    assert (caught.value.code, caught.value.retryable) == ("llm_unavailable", True)
    assert len(setup.port.asked) == 3
    assert setup.answering == []


@pytest.mark.req("OV-65")
async def test_a_failure_after_output_is_not_retried_and_has_no_fallback() -> None:
    setup = Setup(Port(first=[("thinking", ModelFailed())], second=[DONE]))
    with pytest.raises(ModelFailed):
        await setup.ask("second")
    assert (setup.port.asked, setup.slept) == (["first"], [])
    assert setup.answering == ["first"]


@pytest.mark.req("OV-65")
async def test_a_wrong_key_is_not_retried() -> None:
    setup = Setup(Port(first=[ModelAuthFailed()]))
    with pytest.raises(ModelAuthFailed):
        await setup.ask()
    assert (setup.port.asked, setup.slept) == (["first"], [])


async def test_the_pause_that_the_provider_asks_for_is_kept() -> None:
    setup = Setup(Port(first=[ModelFailed(retry_after_s=4.0), DONE]))
    await setup.ask()
    assert setup.slept == [4.0]


async def test_a_provider_that_asks_for_a_long_pause_is_left_alone() -> None:
    setup = Setup(Port(first=[ModelFailed(retry_after_s=60.0)], second=[DONE]))
    assert await setup.ask("second") is DONE
    assert (setup.port.asked, setup.slept) == (["first", "second"], [])


@pytest.mark.req("IN-31")
async def test_a_provider_whose_circuit_is_open_is_not_waited_for() -> None:
    setup = Setup(Port(first=[CircuitOpen()], second=[DONE]))
    assert await setup.ask("second") is DONE
    assert (setup.port.asked, setup.slept) == (["first", "second"], [])

    alone = Setup(Port(first=[CircuitOpen()]))
    with pytest.raises(CircuitOpen):
        await alone.ask()
    assert alone.slept == []


@pytest.mark.req("IN-31", "OV-65")
async def test_a_turn_that_opened_the_circuit_tells_what_it_met() -> None:
    met = ModelFailed("met")
    setup = Setup(Port(first=[ModelFailed(), met, CircuitOpen()]))
    with pytest.raises(ModelFailed) as caught:
        await setup.ask()
    assert caught.value is met


async def test_fallbacks_are_asked_in_order_and_named() -> None:
    setup = Setup(
        Port(
            first=[ModelFailed(), ModelFailed(), ModelFailed()],
            second=[ModelRefusedContext()],
            third=[DONE],
        )
    )
    assert await setup.ask("second", "third") is DONE
    assert setup.port.asked == ["first", "first", "first", "second", "third"]
    assert setup.answering == ["third"]


async def test_when_all_fail_the_first_endpoint_s_failure_is_raised() -> None:
    first = ModelAuthFailed()
    setup = Setup(Port(first=[first], second=[ModelRefusedContext()]))
    with pytest.raises(ModelAuthFailed) as caught:
        await setup.ask("second")
    assert caught.value is first


async def test_the_default_pause_is_spread_upwards_by_at_most_a_fifth() -> None:
    jitter = ResilientModel(model=Port()).jitter
    spread = [jitter(1.0) for _ in range(200)]
    assert 1.0 <= min(spread) < max(spread) <= 1.2


class Halves:
    """A context that can be made smaller as often as it has sizes."""

    def __init__(self, *sizes: str) -> None:
        self.sizes = list(sizes)

    def fitted(self, request: ModelRequest) -> ModelRequest:
        return replace(request, instructions="fitted")

    def smaller(self, request: ModelRequest, refused: ModelRequest) -> ModelRequest | None:
        assert (request.instructions, refused.instructions) == ("", "fitted")
        return replace(request, instructions=self.sizes.pop(0)) if self.sizes else None


def _with_context(setup: Setup, *sizes: str) -> list[str]:
    """The instructions that the port is asked with, as they come."""
    told: list[str] = []
    respond = setup.port.respond

    async def telling(request: ModelRequest, sink: ModelSink) -> ModelResponse:
        told.append(request.instructions)
        return await respond(request, sink)

    setup.port.respond = telling  # type: ignore[method-assign]
    setup.model.context = Halves(*sizes)
    return told


@pytest.mark.req("OV-39")
async def test_a_refused_context_is_tried_once_smaller() -> None:
    setup = Setup(Port(first=[ModelRefusedContext(), DONE]))
    told = _with_context(setup, "smaller")

    assert await setup.ask() == DONE
    assert told == ["fitted", "smaller"]
    assert setup.slept == []


@pytest.mark.req("OV-39")
async def test_a_context_that_is_refused_twice_is_refused() -> None:
    setup = Setup(Port(first=[ModelRefusedContext(), ModelRefusedContext()]))
    told = _with_context(setup, "smaller", "never asked")

    with pytest.raises(ModelRefusedContext):
        await setup.ask()
    assert told == ["fitted", "smaller"]


@pytest.mark.req("OV-39")
async def test_what_cannot_be_smaller_is_not_asked_again() -> None:
    setup = Setup(Port(first=[ModelRefusedContext()]))
    told = _with_context(setup)

    with pytest.raises(ModelRefusedContext):
        await setup.ask()
    assert told == ["fitted"]


@pytest.mark.req("OV-39")
async def test_a_context_refused_after_the_first_output_is_not_asked_again() -> None:
    setup = Setup(Port(first=[("thinking", ModelRefusedContext())]))
    told = _with_context(setup, "never asked")

    with pytest.raises(ModelRefusedContext):
        await setup.ask()
    assert told == ["fitted"]


@pytest.mark.req("OV-39")
async def test_each_fallback_gets_what_fits_into_its_own_window() -> None:
    setup = Setup(Port(first=[ModelFailed()] * 3, second=[DONE]))
    told = _with_context(setup)

    await setup.ask("second")

    assert told == ["fitted"] * 4
