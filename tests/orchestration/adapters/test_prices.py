"""What tokens cost."""

from __future__ import annotations

import pytest

from orchestration.adapters.prices import TablePriceBook
from taskmapr.core.ports import ModelEndpoint


def cost(endpoint: ModelEndpoint, tokens_in: int = 1000, tokens_out: int = 1000) -> int | None:
    return TablePriceBook().cost_usd_micros(endpoint, tokens_in, tokens_out)


def test_the_endpoint_s_own_prices_come_first() -> None:
    endpoint = ModelEndpoint(model="gpt-5-mini", input_price_usd=3.0, output_price_usd=15.0)
    assert cost(endpoint, 1000, 100) == 3000 + 1500


def test_a_part_of_a_millionth_counts_as_one() -> None:
    endpoint = ModelEndpoint(model="x", input_price_usd=0.1, output_price_usd=0.1)
    assert cost(endpoint, 1, 0) == 1
    assert cost(endpoint, 10, 0) == 1
    assert cost(endpoint, 11, 0) == 2


def test_a_price_of_zero_is_a_price() -> None:
    assert cost(ModelEndpoint(model="x", input_price_usd=0.0, output_price_usd=0.0)) == 0


@pytest.mark.parametrize("model", ["gpt-5-mini", "openai/gpt-5-mini"])
def test_known_models_are_priced_by_the_table(model: str) -> None:
    # $0.25 and $2 per million tokens
    assert cost(ModelEndpoint(model=model)) == 250 + 2000


def test_models_of_other_providers_are_found_with_and_without_their_provider() -> None:
    assert cost(ModelEndpoint(model="anthropic/claude-sonnet-4-5")) == 3000 + 15000
    assert (cost(ModelEndpoint(model="gemini/gemini-2.5-flash")) or 0) > 0


def test_one_own_price_is_completed_by_the_table() -> None:
    assert cost(ModelEndpoint(model="gpt-5-mini", input_price_usd=1.0)) == 1000 + 2000


@pytest.mark.parametrize(
    "endpoint",
    [
        ModelEndpoint(model="nobody/knows-this"),
        ModelEndpoint(model="ollama/llama3"),
        # A namesake somewhere else, and a provider that does not sell it.
        ModelEndpoint(model="gpt-5-mini", base_url="http://127.0.0.1:8000/v1"),
        ModelEndpoint(model="anthropic/gpt-5-mini"),
        ModelEndpoint(model="nobody/knows-this", input_price_usd=1.0),
    ],
)
def test_an_unknown_price_is_none_and_never_zero(endpoint: ModelEndpoint) -> None:
    assert cost(endpoint) is None


def test_the_address_of_the_provider_itself_changes_nothing() -> None:
    endpoint = ModelEndpoint(model="gpt-5-mini", base_url="https://api.openai.com/v1/")
    assert cost(endpoint) == 2250


def test_the_built_in_model_is_free() -> None:
    assert cost(ModelEndpoint(model="mock/echo")) == 0


@pytest.mark.req("OV-39")
@pytest.mark.parametrize(
    ("endpoint", "window"),
    [
        (ModelEndpoint(model="gpt-5-mini"), 272_000),
        (ModelEndpoint(model="gpt-5-mini", context_tokens=8_000), 8_000),
        (ModelEndpoint(model="mock/echo"), None),
        (ModelEndpoint(model="mock/echo", context_tokens=9), 9),
        (ModelEndpoint(model="nobody/knows-this"), None),
        # A namesake somewhere else may take less.
        (ModelEndpoint(model="gpt-5-mini", base_url="http://127.0.0.1:8000/v1"), None),
    ],
)
def test_a_context_window_is_the_endpoint_s_own_or_the_table_s(
    endpoint: ModelEndpoint, window: int | None
) -> None:
    assert TablePriceBook().context_tokens(endpoint) == window
