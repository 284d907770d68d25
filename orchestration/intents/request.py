"""The body of POST /orchestrate, read and bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from orchestration.intents.modes import ASKED_MODES, AskedMode
from orchestration.intents.names import INTENT
from taskmapr.core.errors import InvalidInput

#: Bytes of JSON.
INPUTS_BYTES: Final = 1024 * 1024
CONTEXT_BYTES: Final = 16 * 1024
URL_LENGTH: Final = 2048
#: As JSON writes it; an escaped backslash before it makes six ordinary characters of it.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRequest:
    """What is asked for. `context` is noted and passed on, and never decides what is allowed."""

    intent: str
    inputs: Mapping[str, Any]
    mode: AskedMode = "auto"
    callback_url: str | None = None
    context: Mapping[str, Any] | None = None
    #: True: answer at once.
    is_async: bool = False

    @property
    def named_user(self) -> str | None:
        """Whom the context names; a wish at most."""
        named = (self.context or {}).get("user_id")
        return named if isinstance(named, str) and named else None


def intent_request(body: Any) -> IntentRequest:
    """Raises InvalidInput that names each member which is wrong. Unknown members are ignored."""
    if not isinstance(body, Mapping):
        raise InvalidInput.of(("body", "must be an object"))
    if problems := [(path, told) for path, told in _problems(body) if told]:
        raise InvalidInput.of(*problems)
    return IntentRequest(
        intent=body["intent"],
        inputs=body["inputs"],
        mode=cast("AskedMode", body.get("mode") or "auto"),
        callback_url=body.get("callback_url"),
        context=body.get("context"),
        is_async=body.get("async") or False,
    )


def _problems(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    mode, url = body.get("mode"), body.get("callback_url")
    return [
        ("intent", _of_intent(body.get("intent"))),
        ("inputs", _of_object(body.get("inputs"), INPUTS_BYTES)),
        (
            "mode",
            "" if mode is None or mode in ASKED_MODES else f"must be one of {_listed(ASKED_MODES)}",
        ),
        ("callback_url", "" if url is None else _of_url(url)),
        (
            "context",
            "" if body.get("context") is None else _of_object(body["context"], CONTEXT_BYTES),
        ),
        ("async", "" if body.get("async") in (None, True, False) else "must be true or false"),
    ]


def _of_intent(intent: Any) -> str:
    if intent is None:
        return "is required"
    if isinstance(intent, str) and INTENT.fullmatch(intent):
        return ""
    return "must be 1 to 128 letters, digits, or any of _ . : / -, and begin with the former"


def _of_object(value: Any, limit: int) -> str:
    if value is None:
        return "is required"
    if not isinstance(value, Mapping):
        return "must be an object"
    line = orjson.dumps(value)
    if len(line) > limit:
        return f"must be at most {limit} bytes of JSON"
    # It would be lost wherever texts are stored and shown: what was done would not be what is told.
    has_nul = b"\\u0000" in line and _NUL.search(line)
    return "must not contain the character NUL" if has_nul else ""


def _of_url(url: Any) -> str:
    is_fine = isinstance(url, str) and 0 < len(url) <= URL_LENGTH
    return "" if is_fine else f"must be an address of at most {URL_LENGTH} characters"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words)
