"""Which adapter answers for an endpoint, where an OpenAI-compatible model is, and whether it is
left alone because it failed again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from taskmapr.core.errors import ModelNotConfigured
from taskmapr.core.ports import ModelEndpoint, ModelPort, ModelRequest, ModelResponse, ModelSink
from taskmapr.foundation.http.breakers import GuardedCall, circuit, is_model_outage

AdapterName = Literal["openai", "litellm", "offline"]

_OPENAI: Final = "https://api.openai.com/v1"
#: Prefixes of model names that say where the model is, when the endpoint names no address.
KNOWN_ADDRESSES: Final[Mapping[str, str]] = {
    "openai/": _OPENAI,
    "ollama/": "http://127.0.0.1:11434/v1",
    "openrouter/": "https://openrouter.ai/api/v1",
}
OFFLINE_PREFIX: Final = "mock/"


def adapter_of(endpoint: ModelEndpoint) -> AdapterName:
    """The adapter named by the endpoint; for `auto` the first of these that holds:

    `mock/...` is the built-in stand-in; a name without a provider, with a provider of
    KNOWN_ADDRESSES, or with an address of its own is OpenAI-compatible; the rest is LiteLLM's. So
    a LiteLLM provider with an address of its own (`azure/...`) must name its adapter.
    """
    match endpoint.adapter:
        case "openai" | "litellm" | "offline" as named:
            return named
    if endpoint.model.startswith(OFFLINE_PREFIX):
        return "offline"
    has_known_prefix = endpoint.model.startswith(tuple(KNOWN_ADDRESSES))
    if has_known_prefix or endpoint.base_url or "/" not in endpoint.model:
        return "openai"
    return "litellm"


def address_of(endpoint: ModelEndpoint) -> tuple[str, str]:
    """The base address without a trailing slash, and the model's name as its provider knows it."""
    for prefix, address in KNOWN_ADDRESSES.items():
        if endpoint.model.startswith(prefix):
            return (endpoint.base_url or address).rstrip("/"), endpoint.model[len(prefix) :]
    return (endpoint.base_url or _OPENAI).rstrip("/"), endpoint.model


def service_of(endpoint: ModelEndpoint, does: str = "model") -> str:
    """The name of the provider's circuit: `model:<host>`, with a port that the address names, or
    `model:<provider>` where LiteLLM knows the address. `does`: what else it is asked for."""
    if adapter_of(endpoint) == "litellm" and not endpoint.base_url:
        return f"{does}:{endpoint.model.partition('/')[0]}"
    try:
        where = urlsplit(address_of(endpoint)[0])
        port = where.port
    except ValueError:
        return f"{does}:?"
    return f"{does}:{where.hostname or '?'}{f':{port}' if port is not None else ''}"


@dataclass(slots=True)
class _Probing:
    """A sink that says with the first word of a long answer that the provider works again."""

    sink: ModelSink
    call: GuardedCall

    def text(self, delta: str) -> None:
        self.call.works()
        self.sink.text(delta)

    def reasoning(self, delta: str) -> None:
        self.call.works()
        self.sink.reasoning(delta)


@runtime_checkable
class Closable(Protocol):
    """An adapter that keeps connections open between requests."""

    async def close(self) -> None: ...


class RoutedModel:
    """A model port that hands each request to the adapter of its endpoint."""

    def __init__(self, adapters: Mapping[AdapterName, ModelPort]) -> None:
        self._adapters = dict(adapters)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        for adapter in self._adapters.values():
            if isinstance(adapter, Closable):
                await adapter.close()

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        """See ModelPort. Raises ModelNotConfigured when the adapter is not there."""
        endpoint = request.endpoint
        adapter = self._adapters.get(name := adapter_of(endpoint))
        if adapter is None:
            raise ModelNotConfigured(f"The model adapter {name!r} is not available here.")
        if name == "offline":
            return await adapter.respond(request, sink)
        async with circuit(
            service_of(endpoint),
            # Until the first word.
            within_s=endpoint.timeout_s,
            counts=is_model_outage,
        ) as call:
            return await adapter.respond(request, _Probing(sink, call) if call.probe else sink)
