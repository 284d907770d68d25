"""The embedder for every other provider, through LiteLLM.

LiteLLM costs seconds and 190 MB to import, so it is imported with the first request, in a thread.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Sequence
from typing import Any

from memory.adapters.statuses import failure_of
from memory.adapters.vectors import vectors_of
from taskmapr.core.errors import ModelFailed, ModelNotConfigured


class LiteLLMEmbedder:
    """Asks LiteLLM for the vectors of one model (see Embedder)."""

    def __init__(self, *, model: str) -> None:
        """model: in LiteLLM's notation. Its key is in the environment, as LiteLLM documents."""
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        if not texts:
            return []
        litellm = await asyncio.to_thread(_imported)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await litellm.aembedding(
                    model=self._model, input=list(texts), num_retries=0, drop_params=True
                )
        except TimeoutError:
            raise ModelFailed(f"The embedding model took longer than {timeout_s:g} s.") from None
        except Exception as error:
            # Anything may come out of LiteLLM's hundred providers. The cause is cut off, because
            # its messages quote keys and texts.
            raise _failure_of(error) from None
        return vectors_of(answer.model_dump(), len(texts))


def _imported() -> Any:
    """LiteLLM without its telemetry, its downloads and its advertisements."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        litellm: Any = importlib.import_module("litellm")
    except ImportError as error:
        raise ModelNotConfigured("This model needs LiteLLM, which is not installed.") from error
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


def _failure_of(error: Exception) -> ModelFailed:
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        return failure_of(status)
    return ModelFailed("The embedding model failed.")
