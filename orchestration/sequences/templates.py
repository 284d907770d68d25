"""What stands in texts for values that are known later: `{{ params.city }}`, in parameters of steps
and in requests that operators wrote down.

A placeholder names a path from `params` (what the task was assigned with) or from `steps.<name>`
(what became of an earlier step: `output`, `status`, `error`, `task_id`), member by member, items of
lists by their numbers from 0. A text that is one placeholder and nothing else becomes the value
itself; within other text, texts stand as they are and everything else as JSON. Names of members are
never filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson

from taskmapr.core.errors import InvalidInput

Path = tuple[str, ...]
#: What may be put in altogether, as JSON.
FILLED_BYTES: Final = 256 * 1024

_PLACEHOLDER: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def placeholders_in(value: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each placeholder of this JSON value with the path of the text that it stands in; what stands
    between its braces, without spaces around it."""
    if isinstance(value, str):
        for found in _PLACEHOLDER.finditer(value):
            yield at, found[1].strip()
        if "{{" in _PLACEHOLDER.sub("", value):
            yield at, ""
    else:
        for name, member in _members(value):
            yield from placeholders_in(member, (*at, name))


def path_of(placeholder: str) -> Path | None:
    """None when it is no path."""
    return tuple(placeholder.split(".")) if _PATH.fullmatch(placeholder) else None


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with every placeholder filled in from `known`.

    Raises InvalidInput, with the path below the value, for what is not there and for too much.
    """
    return _Filling(known).of(value, ())


def text_filled(text: str, known: Mapping[str, Any]) -> str:
    """The same for what has to stay a text."""
    return _Filling(known).text(text, ())


def url_filled(url: str, known: Mapping[str, Any]) -> str:
    """The address with every placeholder filled in, of which each stays within its part of it.

    Raises InvalidInput as `filled`, and for what a server would take for another folder.
    """
    return _Filling(known, within=_url_part).text(url, ())


def _url_part(text: str) -> str:
    if text in {".", ".."}:
        raise InvalidInput.of(("params", f"{text!r} may not stand in an address"))
    return quote(text, safe="")


class _Filling:
    """within: how a value reads within a text."""

    def __init__(
        self, known: Mapping[str, Any], within: Callable[[str], str] = lambda text: text
    ) -> None:
        self._known, self._within = known, within
        self._left = FILLED_BYTES

    def of(self, value: Any, at: Path) -> Any:
        if isinstance(value, str):
            return self._text(value, at)
        if isinstance(value, list):
            return [self.of(item, (*at, str(n))) for n, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {name: self.of(member, (*at, name)) for name, member in value.items()}
        return value

    def _text(self, text: str, at: Path) -> Any:
        whole = _PLACEHOLDER.fullmatch(text)
        # Of two placeholders that stand side by side, the pattern would make one.
        if whole is not None and "}}" not in whole[1]:
            return self._found(whole[1].strip(), at)[0]
        return self.text(text, at)

    def text(self, text: str, at: Path) -> str:
        """Always a text, also when it is one placeholder and nothing else."""
        return _PLACEHOLDER.sub(lambda found: self._found(found[1].strip(), at)[1], text)

    def _found(self, placeholder: str, at: Path) -> tuple[Any, str]:
        """The value, and how it reads within a text."""
        value: Any = self._known
        for name in path_of(placeholder) or ("",):
            value = _member(value, name, lambda: _refusal(at, f"there is no {placeholder}"))
        shown = value if isinstance(value, str) else orjson.dumps(value).decode()
        self._left -= len(shown.encode())
        if self._left < 0:
            raise _refusal(at, "more than 256 KiB would be put in")
        return value, self._within(shown)


def _member(value: Any, name: str, missing: Callable[[], InvalidInput]) -> Any:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    if isinstance(value, list) and name.isdecimal() and int(name[:9]) < len(value):
        return value[int(name[:9])]
    raise missing()


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(n), item) for n, item in enumerate(value))


def _refusal(at: Path, told: str) -> InvalidInput:
    return InvalidInput.of((".".join(("params", *at)), told))
