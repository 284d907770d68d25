"""What a model profile costs."""

from __future__ import annotations

from decimal import Decimal

from agents_cfg.models import ModelProfile
from taskmapr.core import wired
from taskmapr.core.ports import ModelEndpoint


def model_profile_cost(
    profile: ModelProfile, *, input_tokens: int, output_tokens: int
) -> int | None:
    """Millionths of a US dollar by the same prices that runs are charged with; None = unknown."""
    endpoint = ModelEndpoint(
        model=profile.model,
        base_url=profile.base_url,
        adapter=profile.adapter,
        input_price_usd=_number(profile.input_price_usd),
        output_price_usd=_number(profile.output_price_usd),
    )
    return wired.ports().prices.cost_usd_micros(endpoint, input_tokens, output_tokens)


def _number(price: Decimal | None) -> float | None:
    return None if price is None else float(price)
