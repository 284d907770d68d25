"""What surrounds a prompt: where the user is, the tour that runs, what the host page would like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from orchestration.page.sensitive import redact_address
from orchestration.page.text import storable, storable_json

MAX_STEP_BYTES: Final = 16_384
_MAX_URL_PART: Final = 2_048
_MAX_INSTRUCTIONS: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """Where the user is, as parts of `window.location` and the document's title."""

    pathname: str = "/"
    search: str = ""
    hash: str = ""
    title: str = ""

    @property
    def url(self) -> str:
        """The full relative URL."""
        return self.pathname + self.search + self.hash

    def as_json(self) -> dict[str, Any]:
        return {
            "pathname": self.pathname,
            "search": self.search,
            "hash": self.hash,
            "title": self.title,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Walkthrough:
    """The guided tour that the user is in. `step_index` counts from 0."""

    id: str
    step_index: int
    total_steps: int
    step: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "currentStepIndex": self.step_index,
            "totalSteps": self.total_steps,
            "currentStep": dict(self.step),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Walkthrough:
        """The inverse of `as_json`."""
        return cls(
            id=data["id"],
            step_index=data["currentStepIndex"],
            total_steps=data["totalSteps"],
            step=data["currentStep"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestConfig:
    """What the host page would like; a profile decides what of it is honoured."""

    model: str | None = None
    #: 0..2
    temperature: float | None = None
    #: at least 1
    max_tokens: int | None = None
    instructions: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "temperature": self.temperature,
            "maxTokens": self.max_tokens,
            "instructions": self.instructions,
        }


# Reading them from decoded JSON: what cannot be read is left out -----------------------------


def page_context_of(raw: dict[str, Any]) -> PageContext:
    return PageContext(
        pathname=text_of(raw.get("pathname"), _MAX_URL_PART) or "/",
        search=redact_address(text_of(raw.get("search"), _MAX_URL_PART)),
        hash=redact_address(text_of(raw.get("hash"), _MAX_URL_PART)),
        title=text_of(raw.get("title"), 200),
    )


def walkthrough_of(raw: Any) -> Walkthrough | None:
    if not isinstance(raw, dict) or _whole(raw.get("currentStepIndex")) is None:
        return None
    step = raw.get("currentStep")
    return Walkthrough(
        id=text_of(raw.get("id"), 200),
        step_index=max(0, _whole(raw.get("currentStepIndex")) or 0),
        total_steps=max(0, _whole(raw.get("totalSteps")) or 0),
        step=bounded_json(step, MAX_STEP_BYTES) if isinstance(step, dict) else {},
    )


def request_config_of(raw: dict[str, Any]) -> RequestConfig:
    temperature = _number(raw.get("temperature"))
    max_tokens = _whole(raw.get("maxTokens"))
    return RequestConfig(
        model=text_of(raw.get("model"), 200) or None,
        temperature=None if temperature is None else min(2.0, max(0.0, temperature)),
        max_tokens=None if max_tokens is None else max(1, max_tokens),
        instructions=text_of(raw.get("instructions"), _MAX_INSTRUCTIONS).strip() or None,
    )


def bounded_json(value: dict[str, Any], limit_bytes: int) -> dict[str, Any]:
    copy: dict[str, Any] = storable_json(value)
    text = orjson.dumps(copy)
    if len(text) <= limit_bytes:
        return copy
    return {"cut": text[:limit_bytes].decode(errors="ignore")}


def text_of(value: Any, limit: int) -> str:
    return storable(value, limit) if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return float(max(-(2**53), min(2**53, value)))
    return value if math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(max(-(2.0**53), min(2.0**53, number)))
