"""An embedder whose provider is left alone while it fails again and again."""

from __future__ import annotations

from collections.abc import Sequence

from taskmapr.core.errors import CircuitOpen, ModelFailed
from taskmapr.core.ports import Embedder
from taskmapr.foundation.http.breakers import circuit, is_model_outage


class GuardedEmbedder:
    """See Embedder. While the circuit is open, ModelFailed at once."""

    def __init__(self, embedder: Embedder, *, service: str) -> None:
        """service: the circuit's name. One of its own: models that answer may be at the same host,
        and work."""
        self._embedder = embedder
        self._service = service

    @property
    def model(self) -> str:
        return self._embedder.model

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        if not texts:
            return []
        try:
            async with circuit(self._service, within_s=timeout_s, counts=is_model_outage):
                return await self._embedder.embed(texts, timeout_s=timeout_s)
        except CircuitOpen as left_alone:
            wait_s = left_alone.details["retry_after_s"]
            raise ModelFailed(left_alone.detail, retry_after_s=wait_s) from None
