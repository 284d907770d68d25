"""Embedders that need no model."""

from __future__ import annotations

from collections.abc import Sequence

from taskmapr.core.errors import ModelRequestRefused
from taskmapr.core.ports import EMBEDDING_DIMENSIONS


class Subjects:
    """Texts about the same subject mean the same. A subject is a set of words; each has an axis,
    and texts about none of them share the last one."""

    def __init__(self, *subjects: set[str], model: str = "subjects") -> None:
        self.model = model
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None
        #: Texts with this in them are refused for good.
        self.refuses: str | None = None
        self._subjects = subjects

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        self.asked.append(list(texts))
        if self.failure is not None:
            raise self.failure
        if self.refuses is not None and any(self.refuses in text for text in texts):
            raise ModelRequestRefused("Too odd (status 400).")
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        words = set(text.lower().split())
        vector = [float(len(words & subject)) for subject in self._subjects]
        rest = [0.0] * (EMBEDDING_DIMENSIONS - len(vector) - 1)
        return [*vector, *rest, 0.0 if any(vector) else 1.0]
