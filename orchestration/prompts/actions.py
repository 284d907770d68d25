"""Actions that a model writes into its text: `[ACTIONS]{json}[/ACTIONS]`.

Models without tool calling act this way. The blocks are taken out of the text while it streams;
no piece of a tag is ever shown, whatever the pieces in which the text arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from orchestration.tools.ui_actions import ActionRules, check_action
from taskmapr.core.errors import TaskMaprError

MAX_BLOCK_BYTES: Final = 16_384

# ASCII only: otherwise the long s and the Kelvin sign would count as letters of the tags.
_FLAGS: Final = re.IGNORECASE | re.ASCII
_TAG: Final = re.compile(r"\[(/?)actions\]", _FLAGS)
_CLOSE: Final = re.compile(r"\[/actions\]", _FLAGS)
_BEGUN_TAG: Final = re.compile(r"\[(?:/?|/?a|/?ac|/?act|/?acti|/?actio|/?action|/?actions)", _FLAGS)
_LONGEST_TAG: Final = len("[/actions]")
#: Enough for any text but one made to fool this filter; a bound keeps such a text cheap.
_MOST_HELD: Final = 256
_ORDER: Final = {"navigate": 0, "highlight": 1}

Action = dict[str, Any]


class ActionBlocks:
    """Takes the blocks out of one answer. Any split of the text gives the same result.

    A closing tag without a block is taken out too; an unclosed block is never shown.
    """

    def __init__(self, rules: ActionRules) -> None:
        self._rules = rules
        self._held = ""
        #: The text of the open block, None outside of one.
        self._block: _Block | None = None
        self.warnings: list[str] = []

    def feed(self, delta: str) -> tuple[str, list[list[Action]]]:
        """The text that may be shown now, and the actions of each block that closed.

        The actions of one block are one list, checked, in the order navigate, highlight, others.
        Blocks without a valid action give no list.
        """
        if self._block is None and not self._held and "[" not in delta:
            return delta, []
        shown: list[str] = []
        closed: list[list[Action]] = []
        rest = delta
        while rest:
            if self._block is None:
                rest = self._outside(rest, shown)
            else:
                rest = self._inside(self._block, rest, closed)
        return "".join(shown), closed

    def close(self) -> tuple[str, list[list[Action]], list[str]]:
        """The rest of the text, the actions of an unclosed but complete block, all warnings."""
        text, self._held = self._held, ""
        closed: list[list[Action]] = []
        if self._block is not None:
            block, self._block = self._block, None
            self._execute(block.text_at_end(), block.size, closed, unclosed=True)
        return text, closed, self.warnings

    def _outside(self, delta: str, shown: list[str]) -> str:
        """Show text up to the next tag; returns what follows it."""
        text = self._held + delta
        self._held = ""
        tag = _TAG.search(text)
        before = text if tag is None else text[: tag.start()]
        held = _held_back(before)
        shown.append(before[: len(before) - held])
        self._held = before[len(before) - held :]
        if tag is None:
            return ""
        if not tag[1]:
            self._block = _Block()
        return text[tag.end() :]

    def _inside(self, block: _Block, delta: str, closed: list[list[Action]]) -> str:
        """Collect the block up to its end; returns what follows it."""
        rest = block.add(delta)
        if rest is None:
            return ""
        self._block = None
        self._execute(block.text, block.size, closed)
        return rest

    def _execute(
        self, text: str, size: int, closed: list[list[Action]], *, unclosed: bool = False
    ) -> None:
        if size > MAX_BLOCK_BYTES:
            self.warnings.append(f"an action block of {size} bytes was dropped")
            return
        try:
            block = orjson.loads(text)
        except ValueError:
            how = "unclosed" if unclosed else "unreadable"
            self.warnings.append(f"an {how} action block was dropped")
            return
        actions, warnings = actions_of(block, self._rules)
        self.warnings += warnings
        if actions:
            closed.append(actions)


class _Block:
    """The text of a block as it arrives; of a block that is too long only its end is kept."""

    def __init__(self) -> None:
        self.text = ""
        self.size = 0

    def add(self, delta: str) -> str | None:
        """Add text. Returns what follows the closing tag, None while there is none."""
        # A tag that is cut apart ends in the new piece, so the search need not begin earlier.
        begin = max(0, len(self.text) - _LONGEST_TAG + 1)
        self.text += delta
        tag = _CLOSE.search(self.text, begin)
        end = len(self.text) if tag is None else tag.start()
        self._count(delta, end)
        if tag is None:
            self._forget()
            return None
        rest = self.text[tag.end() :]
        self.text = self.text[:end]
        return rest

    def text_at_end(self) -> str:
        """The text without a closing tag that was cut off by the end of the answer."""
        begun = _begun_tag(self.text)
        self.size -= begun
        return self.text[: len(self.text) - begun]

    def _count(self, delta: str, end: int) -> None:
        # Pieces of a tag are ASCII, so characters that are taken back count one byte each.
        begin = len(self.text) - len(delta)
        if end >= begin:
            self.size += _size(self.text[begin:end])
        else:
            self.size -= begin - end

    def _forget(self) -> None:
        if self.size > MAX_BLOCK_BYTES + _LONGEST_TAG:
            self.text = self.text[-_LONGEST_TAG:]


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _begun_tag(text: str, end: int | None = None) -> int:
    """How many characters before `end` could begin a tag."""
    end = len(text) if end is None else end
    begin = text.rfind("[", max(0, end - _LONGEST_TAG), end)
    return end - begin if begin >= 0 and _BEGUN_TAG.fullmatch(text, begin, end) else 0


def _held_back(text: str) -> int:
    """How many characters at the end may still become part of a tag.

    Usually one begun tag. But when the block that it begins is taken out, what stands before and
    after the block comes together and could form another, so begun tags in a row are held.
    """
    begin = len(text)
    while len(text) - begin < _MOST_HELD and (begun := _begun_tag(text, begin)):
        begin -= begun
    return len(text) - begin


def actions_of(block: Any, rules: ActionRules) -> tuple[list[Action], list[str]]:
    """The valid actions of a decoded block, and a warning for each refused one."""
    if not isinstance(block, dict):
        return [], ["an action block was no object"]
    actions: list[Action] = []
    warnings: list[str] = []
    for kind, payload in _told(block):
        try:
            actions.append({"type": kind, "payload": check_action(kind, payload, rules)})
        except TaskMaprError as refused:
            warnings.append(f"action {str(kind)[:40]} was refused: {refused.detail}")
    return sorted(actions, key=lambda action: _ORDER.get(action["type"], 2)), warnings


#: What a bare string or list stands for.
_SHORT_FORMS: Final = {
    "navigate": "path",
    "highlight": "selectors",
    "scrollTo": "selector",
    "click": "selector",
    "startWalkthrough": "steps",
}


def _told(block: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind, member in _SHORT_FORMS.items():
        told = block.get(kind)
        if told is not None:
            yield kind, {member: told} if isinstance(told, str | list) else told
    if block.get("custom") is not None:
        yield "custom", block["custom"]
    listed = block.get("actions")
    for action in listed if isinstance(listed, list) else ():
        if isinstance(action, dict) and isinstance(action.get("type"), str):
            yield action["type"], action.get("payload") or {}
        else:
            yield "unreadable", None
