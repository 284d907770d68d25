"""What must never be stored, logged or shown to a model."""

from __future__ import annotations

import re
from typing import Any, Final

REDACTED: Final = "[redacted]"

_WORDS: Final = (
    r"pass[\s_-]*(?:word|code|phrase)|passwd|pwd|secret|cvv|cvc|social[\s_-]*security"
    r"|card[\s_-]*(?:number|num\b|no\b)|cardnum"
)
#: `ssn` stands inside harmless words (classname), so it counts only where a word begins or ends.
_SSN: Final = r"(?<![A-Za-z])ssn|Ssn|SSN|ssn(?![a-z])"
_NAME: Final = re.compile(rf"(?i:{_WORDS}|token)|{_SSN}")
#: Counts of tokens are no secrets: `max_tokens`, `tokens_used`.
_KEY: Final = re.compile(
    rf"(?i:{_WORDS}|token(?!s)|authorization|api[\s_-]*key|private[\s_-]*key|credential)|{_SSN}"
)
#: One of these stands in every sensitive name; looking for them first is ten times as fast.
_HINTS: Final = ("pass", "pwd", "token", "secret", "card", "cvv", "cvc", "ssn", "social")
#: What forms say of fields that hold a secret (the `autocomplete` attribute).
_AUTOCOMPLETE: Final = frozenset(
    {"current-password", "new-password", "one-time-code", "cc-number", "cc-csc"}
)
#: `?access_token=…`: sign-in pages and links in mails put secrets into addresses.
_PARAMETER: Final = re.compile(
    r"((?:^|[?&#;])[^=?&#;]*(?:token|secret|pass(?:word|code|phrase)|passwd|pwd|api[_-]?key"
    r"|credential)[^=?&#;]*=)[^&#;]+",
    re.IGNORECASE,
)
_MAX_DEPTH: Final = 32


def is_sensitive_name(name: str) -> bool:
    """Whether an id, label or placeholder says that a field holds a secret."""
    lowered = name.lower()
    for hint in _HINTS:
        if hint in lowered:
            return _NAME.search(name) is not None
    return False


def is_sensitive_autocomplete(value: object) -> bool:
    """Whether the browser is told to fill a secret in here. value: anything from outside."""
    return isinstance(value, str) and not _AUTOCOMPLETE.isdisjoint(value[:200].lower().split())


def redact_address(address: str) -> str:
    """An address, or the part behind its path, without the values of secret parameters."""
    return _PARAMETER.sub(rf"\g<1>{REDACTED}", address) if "=" in address else address


def redact_members(value: Any, depth: int = 0) -> Any:
    """A copy of a JSON value in which the members with a secret's name are `[redacted]`."""
    if depth > _MAX_DEPTH:
        return REDACTED
    if isinstance(value, dict):
        return {
            key: REDACTED
            if member not in (None, "") and _KEY.search(str(key))
            else redact_members(member, depth + 1)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [redact_members(member, depth + 1) for member in value]
    return value
