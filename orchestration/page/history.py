"""What the browser remembers of the conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from orchestration.page.text import storable

MAX_HISTORY: Final = 50
MAX_CONTENT: Final = 8_000
#: Items that are looked at; a body of broken ones must not cost seconds.
_MAX_EXAMINED: Final = 1_000
ROLES: Final = frozenset({"user", "assistant", "system"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryItem:
    """One message that the user saw. `role` is user, assistant or system."""

    id: str
    role: str
    content: str
    timestamp: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "role": self.role,
            "content": self.content,
            "timestamp": self.timestamp,
        }


def history_of(raw: list[Any], prompt: str) -> tuple[tuple[HistoryItem, ...], int]:
    """The last 50 messages before this prompt, oldest first, and how many items were unreadable.

    The browser has appended the prompt and an empty placeholder for its answer already; both are
    taken away, so that a model sees the prompt once.
    """
    end = _end_of_earlier(raw, prompt)
    items = raw[max(0, end - _MAX_EXAMINED) : end]
    kept: list[HistoryItem] = []
    dropped = 0
    for item in reversed(items):
        if len(kept) == MAX_HISTORY:
            break
        if not _is_readable(item):
            dropped += 1
        elif _content(item):
            kept.append(_item_of(item))
    return tuple(reversed(kept)), dropped


def message_id_of(raw: list[Any], prompt: str) -> str:
    """How the browser calls the message that holds this prompt; empty when it does not say."""
    end = _end_of_earlier(raw, prompt)
    holds_it = end < len(raw) and _is(raw[end], "user") and _content(raw[end]) == prompt
    return _short(raw[end].get("id")) if holds_it else ""


def _end_of_earlier(raw: list[Any], prompt: str) -> int:
    end = len(raw)
    while end and _is(raw[end - 1], "assistant") and not _content(raw[end - 1]):
        end -= 1
    if end and _is(raw[end - 1], "user") and _content(raw[end - 1]) == prompt:
        end -= 1
    return end


def _is(item: Any, role: str) -> bool:
    return _is_readable(item) and (item.get("role") or "user") == role


def _is_readable(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    content, role = item.get("content"), item.get("role")
    return (content is None or isinstance(content, str)) and (
        role is None or (isinstance(role, str) and role in ROLES)
    )


def _content(item: dict[str, Any]) -> str:
    return (item.get("content") or "").strip()


def _item_of(item: dict[str, Any]) -> HistoryItem:
    return HistoryItem(
        id=_short(item.get("id")),
        role=item.get("role") or "user",
        content=storable(_content(item), MAX_CONTENT),
        timestamp=_short(item.get("timestamp")),
    )


def _short(value: Any) -> str:
    return storable(value, 200) if isinstance(value, str) else ""
