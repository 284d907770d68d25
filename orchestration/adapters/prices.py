"""What tokens cost and how many fit: what the endpoint says itself, else LiteLLM's table.

The table is read from LiteLLM's package as a file (about 3 MB, some 30 ms, once per process):
importing LiteLLM for it would take seconds. An entry of 0 counts as unknown, because the table
writes 0 for models that nobody has priced; a model that is really free says so at its endpoint.
Cached and long-context rates are not considered, so a cost is what the plain rates give.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson

from orchestration.adapters.model_routes import KNOWN_ADDRESSES, adapter_of
from taskmapr.core.ports import ModelEndpoint

logger = logging.getLogger(__name__)

_TABLE_NAME: Final = "model_prices_and_context_window_backup.json"
_MILLION: Final = 1_000_000


class TablePriceBook:
    """Fulfils `taskmapr.core.ports.PriceBook`. The first unpriced endpoint reads the table."""

    def cost_usd_micros(
        self, endpoint: ModelEndpoint, input_tokens: int, output_tokens: int
    ) -> int | None:
        """Rounded up to the next millionth of a dollar; None when a price is unknown."""
        if adapter_of(endpoint) == "offline":
            return 0
        in_price, out_price = endpoint.input_price_usd, endpoint.output_price_usd
        if in_price is None or out_price is None:
            listed_in, listed_out = _listed_prices(endpoint)
            in_price = listed_in if in_price is None else in_price
            out_price = listed_out if out_price is None else out_price
        if in_price is None or out_price is None:
            return None
        # Dollars per million tokens are millionths of a dollar per token.
        return math.ceil(round(input_tokens * in_price + output_tokens * out_price, 6))

    def context_tokens(self, endpoint: ModelEndpoint) -> int | None:
        """As listed for input, which leaves the answer its own room."""
        if endpoint.context_tokens is not None or adapter_of(endpoint) == "offline":
            return endpoint.context_tokens
        listed = _entry_for(endpoint).get("max_input_tokens")
        return listed if isinstance(listed, int) and listed > 0 else None


def _listed_prices(endpoint: ModelEndpoint) -> tuple[float | None, float | None]:
    """Dollars per million input and output tokens by LiteLLM's table."""
    entry = _entry_for(endpoint)
    prices = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if not any(prices):
        return None, None
    return _per_million(prices[0]), _per_million(prices[1])


def _per_million(price: Any) -> float | None:
    return price * _MILLION if isinstance(price, int | float) else None


def _entry_for(endpoint: ModelEndpoint) -> Mapping[str, Any]:
    """The row of the model at its provider; a namesake elsewhere has another price."""
    provider, slash, name = endpoint.model.partition("/")
    if not slash:
        provider, name = "openai", endpoint.model
    known = KNOWN_ADDRESSES.get(f"{provider}/")
    if adapter_of(endpoint) == "openai" and endpoint.base_url.rstrip("/") not in ("", known):
        return {}
    table = _table()
    if entry := table.get(f"{provider}/{name}"):
        return entry
    entry = table.get(name, {})
    return entry if entry.get("litellm_provider") == provider else {}


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    """Empty when LiteLLM is not installed or keeps its prices elsewhere."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    try:
        table = orjson.loads((Path(spec.origin).parent / _TABLE_NAME).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        logger.warning("LiteLLM's price table cannot be read; costs of its models stay unknown")
        return {}
    return {name: row for name, row in table.items() if isinstance(row, dict)}
