"""What a JWT says before anybody has verified it: enough to choose who verifies, and no more."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from taskmapr.core.errors import InvalidToken


def header_unverified(text: str) -> dict[str, Any]:
    """The header. Raises InvalidToken unless it is a flat object that names its algorithm.

    A token may not bring its own key (`jwk`, `x5c`) nor demand extensions (`crit`): members that
    hold more than one value are refused. That also keeps nested text from the parsers behind.
    """
    header = _object(text.split(".", maxsplit=1)[0])
    if not isinstance(header.get("alg"), str):
        raise InvalidToken("The token's header names no algorithm.")
    if any(isinstance(value, dict | list) for value in header.values()):
        raise InvalidToken("The token's header holds more than names.")
    return header


def claims_unverified(text: str) -> dict[str, Any]:
    """The claims as anybody may have written them. Raises InvalidToken."""
    parts = text.split(".")
    if len(parts) != 3:
        raise InvalidToken
    return _object(parts[1])


def _object(part: str) -> dict[str, Any]:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as error:
        raise InvalidToken from error
    if not isinstance(value, dict):
        raise InvalidToken
    return value
