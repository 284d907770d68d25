"""Looks for models on this machine, so that a start without a key can offer them."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import Any, Final

import orjson

_HOST: Final = "127.0.0.1"
_PORT: Final = 11434
_MAX_BYTES: Final = 1024 * 1024


def ollama_models(*, port: int = _PORT, timeout_s: float = 0.3) -> list[str]:
    """Names of the models of a local Ollama, sorted; empty when there is none.

    Use one as `ModelEndpoint(model="ollama/<name>")`. Blocks for at most about `timeout_s` twice.
    Source: GET /api/tags (github.com/ollama/ollama, docs/api.md).
    """
    connection = HTTPConnection(_HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/api/tags")
        answer = connection.getresponse()
        body = answer.read(_MAX_BYTES) if answer.status == 200 else b""
        return _names(orjson.loads(body or b"null"))
    except (OSError, HTTPException, orjson.JSONDecodeError):
        return []
    finally:
        connection.close()


def _names(value: Any) -> list[str]:
    models = value.get("models") if isinstance(value, dict) else None
    named = [m.get("name") for m in models or () if isinstance(m, dict)]
    return sorted(name for name in named if isinstance(name, str) and name)
