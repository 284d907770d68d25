"""One spelling of a request, so that equal requests are known as equal."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import rfc8785


def intent_digest(intent: str, inputs: Any) -> str:
    """SHA-256, as hex, of the canonical JSON (RFC 8785) of {inputs, intent}."""
    return digest({"inputs": inputs, "intent": intent})


def digest(value: Any) -> str:
    """The same of any JSON value.

    RFC 8785 knows only numbers that a double holds; a value with larger whole numbers has no
    canonical form there and gets ours, which differs from every form of the standard.
    """
    try:
        canonical = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        canonical = b"sorted:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()
