"""The embedder for OpenAI-compatible endpoints: OpenAI, Ollama, vLLM and their like.

Source: the embeddings API (platform.openai.com/docs/api-reference/embeddings).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import orjson

from memory.adapters.statuses import failure_of
from memory.adapters.vectors import vectors_of
from taskmapr.core.errors import ModelAuthFailed, ModelFailed, ModelRequestRefused
from taskmapr.core.ports import EMBEDDING_DIMENSIONS

#: Bytes of an answer: 256 vectors of 3,072 numbers written at length need less.
_ANSWER_BYTES: Final = 32 * 1024 * 1024


class HttpEmbedder:
    """Asks one address for the vectors of one model (see Embedder). Keeps no connection open."""

    def __init__(self, *, address: str, model: str, api_key: str = "") -> None:
        """address: everything before `/embeddings`. model: the name its provider knows."""
        self._url = f"{address}/embeddings"
        self._model = model
        self._api_key = api_key

    @property
    def model(self) -> str:
        return self._model

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        if not texts:
            return []
        # The causes are cut off: a client's exceptions may quote the address with its secrets.
        try:
            body = await self._ask(self._body(texts), aiohttp.ClientTimeout(total=timeout_s))
        except TimeoutError:
            raise ModelFailed(f"The embedding model took longer than {timeout_s:g} s.") from None
        except aiohttp.InvalidURL:
            raise ModelRequestRefused("The embedding model's address is not a valid URL.") from None
        except aiohttp.ClientError:
            raise ModelFailed("The embedding model is not reachable.") from None
        except orjson.JSONDecodeError:
            raise ModelFailed("The embedding model's answer is not readable.") from None
        return vectors_of(body, len(texts))

    async def _ask(self, body: dict[str, Any], limits: aiohttp.ClientTimeout) -> Any:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=limits) as session,
            session.post(
                self._url,
                data=orjson.dumps(body),
                headers=self._headers(),
                # A redirect would carry the key to another host.
                allow_redirects=False,
            ) as response,
        ):
            if response.status != 200:
                raise failure_of(response.status)
            return orjson.loads(await _read(response.content))

    def _body(self, texts: Sequence[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._model, "input": list(texts)}
        body["encoding_format"] = "float"
        if self._model.startswith("text-embedding-3-"):
            # The large one would give more numbers than fit; others refuse the parameter.
            body["dimensions"] = EMBEDDING_DIMENSIONS
        return body

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if key := self._api_key.strip():
            if not (key.isascii() and key.isprintable()):
                raise ModelAuthFailed(
                    "The configured model key contains characters no key can have."
                )
            headers["Authorization"] = f"Bearer {key}"
        return headers


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for data in content.iter_any():
        body += data
        if len(body) > _ANSWER_BYTES:
            raise ModelFailed("The embedding model's answer is too large.")
    return bytes(body)
