"""Keeps what a page says apart from what the assistant is told.

Everything that comes from a page, a host application or a tool is placed in a block whose marker
nobody outside can guess, quoted as JSON, and without characters that people cannot see.
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any, Final
from unicodedata import is_normalized, normalize
from urllib.parse import unquote

#: Zero-width and bidirectional controls, tag characters and supplementary variation selectors:
#: all can carry words that a model reads and a person does not see.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ACTION_TAG: Final = re.compile(r"\[\s*(/?)\s*actions\s*\]", re.IGNORECASE)
#: Looks like the edge of a block, though with a marker that was only guessed.
_EDGE: Final = re.compile(r"<<(\s*(?:end\s+of\s+)?page-data)", re.IGNORECASE)
_MAX_DEPTH: Final = 32

CUT: Final = "…[cut]"


def seen(text: str) -> str:
    """The text as a person would see it: no control or invisible characters, single spaces."""
    if not text.isprintable():
        text = _CONTROL.sub(" ", _UNSEEN.sub("", text))
    return " ".join(text.split())


def _harmless(text: str) -> str:
    """The text without what could be taken for an action or for the edge of a block."""
    disguised = not text.isascii() or "&" in text or "%" in text
    return _EDGE.sub(r"((\1", _ACTION_TAG.sub(r"(\1actions)", _bare(text) if disguised else text))


def _bare(text: str) -> str:
    """The text itself, unless plainer letters show a tag or an edge in it: then in those.

    A model reads full-width letters, entities and URL encoding as what they stand for, and may
    write them down as that.
    """
    if is_normalized("NFKC", text) and "&" not in text and "%" not in text:
        return text
    bare = seen(normalize("NFKC", unescape(unescape(unquote(text)))))
    return bare if _ACTION_TAG.search(bare) or _EDGE.search(bare) else text


class DataQuoter:
    """Quotes values for one data block. `marker` is random and new for each run."""

    def __init__(self, marker: str) -> None:
        if len(marker) < 16:
            raise ValueError("the marker must have at least 16 characters")
        self._marker = marker

    @property
    def name(self) -> str:
        """What the block is called."""
        return f"page-data {self._marker}"

    def block(self, text: str) -> str:
        """Text made by this quoter, between the two marks."""
        return f"<<{self.name}>>\n{text}\n<<end of {self.name}>>"

    def tool_result(self, result: Any, limit_bytes: int = 65_536) -> str:
        """What a model is told as the result of a tool call."""
        return self.block(self.json(result, limit_bytes))

    def tool_text(self, text: str, limit_bytes: int = 65_536) -> str:
        """The same for a result that is text already; JSON in it is quoted once, not twice."""
        try:
            result = json.loads(text)
        except ValueError:
            result = text
        return self.tool_result(result, limit_bytes)

    def plain(self, text: str) -> str:
        """Visible text that can neither end a block nor look like an action."""
        return _harmless(seen(text).replace(self._marker, "(marker)"))

    def text(self, text: str, limit: int) -> str:
        """At most `limit` characters of a text, as a JSON string."""
        return json.dumps(self.plain(text)[:limit], ensure_ascii=False)

    def json(self, value: Any, limit_bytes: int) -> str:
        """A JSON value as compact JSON, cut with a mark."""
        cleaned = self._clean(value, 0)
        text = json.dumps(cleaned, ensure_ascii=False, separators=(",", ":"), default=str)
        encoded = text.encode(errors="replace")
        if len(encoded) <= limit_bytes:
            return text
        return encoded[:limit_bytes].decode(errors="ignore") + CUT

    def _clean(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return CUT
        if isinstance(value, str):
            return self.plain(value)
        if isinstance(value, dict):
            return {self.plain(str(k)): self._clean(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(member, depth + 1) for member in value]
        return value
