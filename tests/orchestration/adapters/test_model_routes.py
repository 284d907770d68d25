"""Which adapter and address an endpoint means."""

from __future__ import annotations

import pytest

from orchestration.adapters.model_routes import RoutedModel, adapter_of, address_of
from taskmapr.core.errors import ModelNotConfigured
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ModelResponse, ModelSink
from tests.orchestration.adapters.conformance import Heard


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        (ModelEndpoint(model="gpt-5-mini"), ("https://api.openai.com/v1", "gpt-5-mini")),
        (ModelEndpoint(model="openai/m", base_url="http://h:1/v1/"), ("http://h:1/v1", "m")),
        (ModelEndpoint(model="org/m", base_url="http://h:1/v1"), ("http://h:1/v1", "org/m")),
        (ModelEndpoint(model="ollama/llama3"), ("http://127.0.0.1:11434/v1", "llama3")),
        (
            ModelEndpoint(model="openrouter/openai/gpt-4o"),
            ("https://openrouter.ai/api/v1", "openai/gpt-4o"),
        ),
    ],
)
def test_the_address_follows_from_the_endpoint(
    endpoint: ModelEndpoint, address: tuple[str, str]
) -> None:
    assert address_of(endpoint) == address


@pytest.mark.req("OV-40")
@pytest.mark.parametrize(
    ("endpoint", "adapter"),
    [
        (ModelEndpoint(model="gpt-5-mini"), "openai"),
        (ModelEndpoint(model="openai/m"), "openai"),
        (ModelEndpoint(model="ollama/llama3"), "openai"),
        (ModelEndpoint(model="org/m", base_url="http://h:1/v1"), "openai"),
        (ModelEndpoint(model="anthropic/claude"), "litellm"),
        (ModelEndpoint(model="azure/m", base_url="http://h", adapter="litellm"), "litellm"),
        (ModelEndpoint(model="mock/echo"), "offline"),
        (ModelEndpoint(model="gpt-5-mini", adapter="offline"), "offline"),
    ],
)
def test_the_adapter_follows_from_the_endpoint(endpoint: ModelEndpoint, adapter: str) -> None:
    assert adapter_of(endpoint) == adapter


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        return ModelResponse(
            text=self.name,
            reasoning="",
            tool_calls=[],
            input_tokens=0,
            output_tokens=0,
            finish_reason="stop",
            model="m",
        )


@pytest.mark.anyio
async def test_a_request_goes_to_the_adapter_of_its_endpoint() -> None:
    routed = RoutedModel({"openai": _Named("openai"), "offline": _Named("offline")})
    request = ModelRequest(endpoint=ModelEndpoint(model="mock/echo"), instructions="", messages=[])
    assert (await routed.respond(request, Heard())).text == "offline"


@pytest.mark.anyio
async def test_an_adapter_that_is_not_there_is_not_configured() -> None:
    request = ModelRequest(
        endpoint=ModelEndpoint(model="anthropic/claude"), instructions="", messages=[]
    )
    with pytest.raises(ModelNotConfigured):
        await RoutedModel({"openai": _Named("openai")}).respond(request, Heard())


async def test_closing_reaches_the_adapters_that_keep_connections() -> None:
    class Keeping:
        closed = 0

        async def respond(self, request: object, sink: object) -> object:
            raise NotImplementedError

        async def close(self) -> None:
            self.closed += 1

    class Plain:
        async def respond(self, request: object, sink: object) -> object:
            raise NotImplementedError

    keeping = Keeping()
    await RoutedModel({"openai": keeping, "offline": Plain()}).close()  # type: ignore[dict-item]
    assert keeping.closed == 1
