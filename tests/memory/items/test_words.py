"""Which words two texts have in common, however they are written."""

from __future__ import annotations

import time

import pytest

from memory.remembering.words import MAX_ASKED, MAX_WORD, MAX_WORDS, words_asked, words_of

pytestmark = pytest.mark.req("IN-15", "IN-16")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, hello WORLD!", ["hello", "world"]),
        ("snake_case and kebab-case", ["snake", "case", "and", "kebab"]),
        ("Straße STRASSE", ["strasse"]),
        ("cafe\u0301 caf\u00e9", ["caf\u00e9"]),
        ("\uff28\uff25\uff2c\uff2c\uff2f \ufb01ne", ["hello", "fine"]),
        ("2026-11-21 at 3.14", ["2026", "11", "21", "at", "3", "14"]),
        ("\u0663 \u0e53 \uff13", ["3"]),
        ("iPhone15", ["iphone15"]),
        ("हिन्दी", ["हिन्दी"]),
        ("東京都", ["東", "京", "都", "東京", "京都"]),
        ("Tokyo東京2020", ["tokyo", "東", "京", "東京", "2020"]),
        ("ok \x00 _ 🎉 --", ["ok"]),
        ("", []),
    ],
)
def test_a_text_gives_its_different_words_in_order(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("World", ["world"]),
        ("京都", ["京都"]),
        ("東京都", ["東京", "京都"]),
        ("京", ["京"]),
        ("한국어", ["한국", "국어"]),
    ],
)
def test_a_question_looks_for_pairs_where_words_have_no_gaps(query: str, words: list[str]) -> None:
    assert words_asked(query) == words
    assert set(words) <= set(words_of(f"a {query} b"))


def test_a_suffix_does_not_hide_a_word_without_gaps() -> None:
    assert set(words_asked("한국어")) <= set(words_of("한국어를 배웁니다"))


def test_long_words_are_told_apart_by_their_beginning() -> None:
    assert words_of("x" * 100) == words_asked("x" * 90) == ["x" * MAX_WORD]


def test_there_are_bounds() -> None:
    assert len(words_of(" ".join(map(str, range(10_000))))) == MAX_WORDS
    assert len(words_asked(" ".join(map(str, range(10_000))))) == MAX_ASKED


@pytest.mark.parametrize("sign", ["\ufdfa", "\u0301", "ア", "a\u0301", "İ"])
def test_the_longest_texts_of_odd_signs_take_no_time(sign: str) -> None:
    began = time.process_time()
    words_of(sign * (32_000 // len(sign)))
    assert time.process_time() - began < 1
