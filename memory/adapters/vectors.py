"""From what a provider sends to vectors that can be stored. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from taskmapr.core.errors import ModelFailed, ModelRequestRefused
from taskmapr.core.ports import EMBEDDING_DIMENSIONS

_UNREADABLE = "The embedding model's answer is not readable."


def vectors_of(body: Any, count: int) -> list[list[float]]:
    """The vectors of an embeddings answer {data: [{index, embedding}]}, in the order of the texts.

    Shorter vectors are filled up with zeros, which leaves every cosine as it is. Raises
    ModelRequestRefused for longer ones, and ModelFailed for anything but `count` vectors.
    """
    items = body.get("data") if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) != count:
        raise ModelFailed(_UNREADABLE)
    placed: dict[int, list[float]] = {}
    for at, item in enumerate(items):
        index = item.get("index", at) if isinstance(item, dict) else None
        if not isinstance(index, int):
            raise ModelFailed(_UNREADABLE)
        placed[index] = _stored(item.get("embedding"))
    if sorted(placed) != list(range(count)):
        raise ModelFailed(_UNREADABLE)
    return [placed[at] for at in range(count)]


def _stored(numbers: Any) -> list[float]:
    if not _is_vector(numbers):
        raise ModelFailed(_UNREADABLE)
    if len(numbers) > EMBEDDING_DIMENSIONS:
        raise ModelRequestRefused(
            f"The embedding model gives {len(numbers)} numbers for a text; at most"
            f" {EMBEDDING_DIMENSIONS} can be stored."
        )
    return [*map(float, numbers), *[0.0] * (EMBEDDING_DIMENSIONS - len(numbers))]


def _is_vector(numbers: Any) -> bool:
    """Numbers, all finite, not all zero: the direction of nothing is undefined."""
    return (
        isinstance(numbers, Sequence)
        and not isinstance(numbers, str)
        and all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
        and any(numbers)
    )
