"""A last word for answers that only acted: clients show a made-up one where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

#: What was done, in the words of who did it.
_DONE: Final = {
    "navigate": "opened the page",
    "highlight": "highlighted it",
    "scrollTo": "scrolled to it",
    "click": "clicked it",
    "startWalkthrough": "started the walkthrough",
}
_ELSE: Final = "passed it on to the page"
_LONGEST_PATH: Final = 60


def closing_sentence(actions: Sequence[Mapping[str, Any]]) -> str:
    """One short sentence that says what these page actions, items {type, payload}, did."""
    done = list(dict.fromkeys(map(_words, actions)))
    if not done:
        return "Done."
    *first, last = done
    return f"I {', '.join(first)} and {last}." if first else f"I {last}."


def _words(action: Mapping[str, Any]) -> str:
    path = action["payload"].get("path", "") if action["type"] == "navigate" else ""
    if 0 < len(path) <= _LONGEST_PATH:
        return f"opened {path}"
    return _DONE.get(action["type"], _ELSE)
