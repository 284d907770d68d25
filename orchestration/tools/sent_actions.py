"""What a run has told the page already."""

from __future__ import annotations

from typing import Any, Literal

from orchestration.dialects.compact_json import compact_json

ActionSource = Literal["tool", "block"]


class SentActions:
    """The actions of one run, so that none is sent by a tool and again by a block in the text.

    A tool that is called twice means it twice: only the other source's repetition is dropped.
    """

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._sources: dict[bytes, ActionSource] = {}

    def take(self, actions: list[dict[str, Any]], source: ActionSource) -> list[dict[str, Any]]:
        """The actions that are still to be sent; they count as sent from now on."""
        fresh = [
            action for action in actions if self._sources.setdefault(_key(action), source) == source
        ]
        self.sent += fresh
        return fresh


def _key(action: Any) -> bytes:
    return compact_json(_sorted(action))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(member) for member in value] if isinstance(value, list) else value
