"""The words of a text, as two people would write them alike. Pure.

A word is what stands between gaps and signs, in one form of Unicode (NFKC) and without the
difference of capitals (case folding); accents count. Digits of every script are read as 0 to 9. Of
scripts without gaps between words (Chinese, Japanese, Thai and the like; Korean is close to them)
a text gives every character and every pair of neighbours, and a question its pairs. Nothing is cut
to a stem.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Final

#: Different words of a text that can be found; a longer one is found by its first.
MAX_WORDS: Final = 4_096
#: Different words of a question that are looked for.
MAX_ASKED: Final = 32
#: Characters of a word that tell it from others.
MAX_WORD: Final = 64

#: Characters of a text in its one form; some signs stand for twenty letters.
_MAX_LENGTH: Final = 65_536


def _marks() -> Iterator[str]:
    """Signs that belong to the letter before them, as ranges of a character class, up to the last
    script that has many."""
    codes = (code for code in range(0x300, 0xAC00) if unicodedata.category(chr(code))[0] == "M")
    for _, group in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        yield f"{chr(run[0])}-{chr(run[-1])}"


_MARKS: Final = "".join(_marks())
_WORD: Final = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*")
_PLAIN_WORD: Final = re.compile(r"[a-z0-9]+")
#: Thai, Lao, Tibetan, Burmese, Khmer, Japanese, Chinese, Korean.
_UNSPACED: Final = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"
)
_RUN: Final = re.compile(rf"([{_UNSPACED}]+)|[^{_UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """What a text can be found by: its different words in order, at most MAX_WORDS."""
    return _first(_words(text, is_asked=False), MAX_WORDS)


def words_asked(query: str) -> list[str]:
    """What a question looks for: its different words in order, at most MAX_ASKED."""
    return _first(_words(query, is_asked=True), MAX_ASKED)


def _words(text: str, *, is_asked: bool) -> Iterator[str]:
    if text.isascii():
        yield from _PLAIN_WORD.findall(text.lower())
        return
    for found in _WORD.finditer(_alike(text)):
        for run in _RUN.finditer(found[0]):
            if run[1] is None:
                yield run[0]
                continue
            if not is_asked or len(run[1]) == 1:
                yield from run[1]
            yield from (first + second for first, second in pairwise(run[1]))


def _alike(text: str) -> str:
    one_form = unicodedata.normalize("NFKC", text)[:_MAX_LENGTH]
    folded = unicodedata.normalize("NFKC", one_form.casefold())
    digits = {
        ord(sign): str(unicodedata.decimal(sign))
        for sign in set(folded)
        if sign.isdecimal() and not sign.isascii()
    }
    return folded.translate(digits) if digits else folded


def _first(words: Iterator[str], count: int) -> list[str]:
    different: dict[str, None] = {}
    for word in words:
        different[word[:MAX_WORD]] = None
        if len(different) == count:
            break
    return list(different)
