"""What somebody asked, as words to look for, and where they are in a text. Pure."""

from __future__ import annotations

import re
from typing import Final

#: Words of a question that are looked for; the rest of a longer one adds cost, not sense.
MAX_WORDS: Final = 24
MAX_WORD: Final = 60
MAX_QUERY: Final = 1_000
#: Characters of a snippet, without the marks at its ends.
SNIPPET: Final = 200
CUT: Final = "..."
_WORD: Final = re.compile(r"[^\W_]+")
_GAP: Final = re.compile(r"\s+")


def words_of(query: str) -> list[str]:
    """The different words of a question in lower case, in order."""
    found = (word.lower()[:MAX_WORD] for word in _WORD.findall(query[:MAX_QUERY]))
    return list(dict.fromkeys(found))[:MAX_WORDS]


def all_of(words: list[str]) -> str:
    """A tsquery: every word, or a word that begins with it."""
    return " & ".join(f"{word}:*" for word in words)


def any_of(words: list[str]) -> str:
    """A tsquery: at least one of the words, or a word that begins with one."""
    return " | ".join(f"{word}:*" for word in words)


def snippet_of(text: str, words: list[str]) -> str:
    """About 200 characters where most of the words are; CUT at an end where text is missing."""
    line = _GAP.sub(" ", text).strip()
    if len(line) <= SNIPPET:
        return line
    start = _best_start(line, words)
    end = min(len(line), start + SNIPPET)
    start = max(0, end - SNIPPET)
    start, end = _whole_words(line, start, end)
    return f"{CUT if start else ''}{line[start:end].strip()}{CUT if end < len(line) else ''}"


def _best_start(line: str, words: list[str]) -> int:
    """Where the window begins that has the most different words, with some text before them."""
    telling = [word for word in words if len(word) > 2] or words
    hits = [(at.start(), n) for n, word in enumerate(telling) for at in _places(line, word)]
    if not hits:
        return 0
    hits.sort()
    span = SNIPPET * 3 // 4

    def different(first: int) -> int:
        return len({word for at, word in hits if first <= at <= first + span})

    best = max((at for at, _ in hits), key=lambda at: (different(at), -at))
    return max(0, best - SNIPPET // 5)


#: Hits of one word that are looked at.
_MAX_HITS: Final = 50


def _places(line: str, word: str) -> list[re.Match[str]]:
    """Where words begin as this one does; long ones without their ending, as stems are compared."""
    stem = word[:-3] if len(word) > 6 else word
    found = re.finditer(rf"(?<![^\W_]){re.escape(stem)}", line, re.IGNORECASE)
    return [hit for _, hit in zip(range(_MAX_HITS), found, strict=False)]


def _whole_words(line: str, start: int, end: int) -> tuple[int, int]:
    """Move the ends inwards to gaps, unless a word is as long as that."""
    if start and (gap := line.find(" ", start, start + SNIPPET // 5)) >= 0:
        start = gap + 1
    if end < len(line) and (gap := line.rfind(" ", end - SNIPPET // 5, end)) >= 0:
        end = gap
    return start, end
