"""Secrets in what hosts say, and in what is said to them."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "[masked]"

_BLOCK: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY[^\n]*|\Z)",
    re.DOTALL,
)
#: Values that look like nothing else.
_TOKEN: Final = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{16,}|whsec_[A-Za-z0-9+/=]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_BEARER: Final = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
#: `password=x`, `"api_key": "x"`; a name may have a prefix, such as DB_PASSWORD.
_ASSIGNED: Final = re.compile(
    r"""((?:pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key
    |credential)s?["']?\s*[=:]\s*["']?)[^\s"',;&]+""",
    re.IGNORECASE | re.VERBOSE,
)
_OPTION: Final = re.compile(
    r"(--?[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|api-?key)[\w-]*\s+)\S+", re.IGNORECASE
)
_IN_ADDRESS: Final = re.compile(r"(://[^\s/:@]{0,200}:)[^\s/@]{1,500}(@)")


def masked(text: str) -> str:
    """The text without private keys, tokens and values that their names call secret. What it does
    not know stays: a net, not a guarantee."""
    text = _BLOCK.sub(MASK, text)
    text = _IN_ADDRESS.sub(rf"\1{MASK}\2", text)
    text = _TOKEN.sub(MASK, text)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    text = _OPTION.sub(rf"\1{MASK}", text)
    return _ASSIGNED.sub(rf"\1{MASK}", text)
