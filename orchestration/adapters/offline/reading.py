"""Finds on a page what a prompt speaks about, by words alone."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

_STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        a about all an and any are at be bring by can could do does down find for from get go has
        have help highlight how i if in is it its let list locate located many mark may me mean
        means much my navigate of on one open or page pages please point screen scroll section see
        show tab take tell that the their them then there these they this to up us view visit want
        was what when where which who why will with would you your
        """,
    )
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]|\d+|[^\W\d_A-Za-z]+")
#: Where two texts of neighbouring elements were glued together by `textContent`.
_SEAM: Final = re.compile(r"(?<=[a-z0-9.!?)])(?=[A-Z])")
_HEADING: Final = re.compile(r"h[1-6]")
_SIMPLE_ID: Final = re.compile(r"[A-Za-z_][\w-]*")
_NUMBER: Final = re.compile(r"\d+")
_MIN_NESTED: Final = 12
_CANDIDATES: Final = 20


def words_of(text: str) -> list[str]:
    """The words of a text in lower case and in the singular; glued words come apart."""
    return [_singular(word.lower()) for word in _WORD.findall(text)]


def telling_words(text: str) -> list[str]:
    """The words that say what a prompt is about."""
    return [_singular(w) for w in re.findall(r"[^\W_]+", text.lower()) if w not in _STOP_WORDS]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@dataclass(frozen=True, slots=True)
class Spot:
    """One element, as the stand-in sees it."""

    id: str
    tag: str
    role: str
    label: str
    text: str
    href: str
    is_interactive: bool

    @classmethod
    def of(cls, element: Mapping[str, Any]) -> Spot:
        """From an element as the browser sends it; members may be missing."""

        def get(name: str) -> str:
            return " ".join(str(element.get(name) or "").split())

        text = get("textContent")
        return cls(
            id=get("id"),
            tag=get("tagName").lower(),
            role=get("role"),
            label=get("ariaLabel") or text or get("placeholder"),
            text=text,
            href=get("href"),
            is_interactive=bool(element.get("isInteractive")),
        )

    @property
    def selector(self) -> str:
        """A CSS selector for it, empty when it has no id."""
        if not self.id:
            return ""
        escaped = self.id.replace("\\", "\\\\").replace('"', '\\"')
        return f"#{self.id}" if _SIMPLE_ID.fullmatch(self.id) else f'[id="{escaped}"]'

    @property
    def is_heading(self) -> bool:
        return bool(_HEADING.fullmatch(self.tag)) or self.role == "heading"


def _members(spots: list[Spot]) -> list[Spot]:
    """The largest group of elements whose ids differ in their numbers only, else all."""
    stems = Counter(stem for spot in spots if (stem := _NUMBER.sub("#", spot.id)) != spot.id)
    stem, size = next(iter(stems.most_common(1)), ("", 0))
    return [s for s in spots if _NUMBER.sub("#", s.id) == stem] if size > 1 else spots


class Page:
    """A page as sent by the overlay: {pageContext, domElements}; each member may be missing."""

    def __init__(self, page: Mapping[str, Any] | None) -> None:
        page = page or {}
        context = page.get("pageContext") or {}
        self.path = str(context.get("pathname") or "/")
        self.title = str(context.get("title") or "")
        elements = page.get("domElements") or []
        #: False when the request came without a page: then its path is only the default.
        self.is_known = bool(elements) or bool(self.title) or self.path != "/"
        # The root holds every word of the page, so it would be an answer to everything.
        self.spots = [
            Spot.of(e) for e in elements if e.get("isVisible", True) and e.get("id") != "root"
        ]

    @property
    def headings(self) -> list[str]:
        return list(dict.fromkeys(s.label for s in self.spots if s.is_heading and s.label))

    @property
    def controls(self) -> Counter[str]:
        """How many elements of each role can be used."""
        return Counter(s.role or s.tag for s in self.spots if s.is_interactive)

    @property
    def passages(self) -> list[Spot]:
        """Elements that say something and hold no other element."""
        return [s for s in self.spots if s.text and not s.is_heading and not self._holds_others(s)]

    def matching(self, words: Iterable[str], *, among: Iterable[Spot] | None = None) -> list[Spot]:
        """The elements that fit these words best, in the page's order.

        When some of the best are members of a list (ids that differ in a number), only those.
        """
        wanted = self._known_words(set(words))
        scores = [(self._score(spot, wanted), spot) for spot in among or self.spots]
        best = sorted((pair for pair in scores if pair[0] > 0), key=lambda pair: -pair[0])
        candidates = [(s, spot) for s, spot in best[:_CANDIDATES] if not self._holds_others(spot)]
        return _members([spot for score, spot in candidates if score >= candidates[0][0] - 1e-9])

    def quote(self, text: str, limit: int = 240) -> str:
        """The text in quotation marks, with glued parts set apart."""
        kept = set(self.title.split())
        parts = [word if word in kept else _SEAM.sub(" · ", word) for word in text.split()]
        joined = " ".join(parts)
        return f'"{joined if len(joined) <= limit else joined[:limit].rstrip() + "..."}"'

    def _score(self, spot: Spot, wanted: set[str]) -> float:
        own = self._words[id(spot)]
        return sum(math.log(1 + len(self.spots) / self._frequency[word]) for word in wanted & own)

    def _known_words(self, wanted: set[str]) -> set[str]:
        """The words as the page spells them: a word it does not have stands for its nearest."""
        return {word if word in self._frequency else self._nearest(word) or word for word in wanted}

    def _nearest(self, word: str) -> str | None:
        if len(word) < 4:
            return None
        alike = [w for w in self._frequency if w[0] == word[0] and abs(len(w) - len(word)) <= 2]
        return next(iter(get_close_matches(word, alike, n=1, cutoff=0.8)), None)

    def _holds_others(self, spot: Spot) -> bool:
        return any(
            _MIN_NESTED <= len(other.text) < len(spot.text) + 1
            and other.text != spot.text
            and other.text[:40] in spot.text
            for other in self.spots
        )

    @cached_property
    def _words(self) -> dict[int, set[str]]:
        return {id(s): set(words_of(f"{s.text} {s.label} {s.id}")) for s in self.spots}

    @cached_property
    def _frequency(self) -> Counter[str]:
        return Counter(word for words in self._words.values() for word in words)
