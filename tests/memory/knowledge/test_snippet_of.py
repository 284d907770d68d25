"""Questions as words, and snippets around them."""

from __future__ import annotations

import pytest

from memory.knowledge.wording import all_of, any_of, snippet_of, words_of

FILL = "lorem ipsum dolor sit amet " * 20


def test_words_are_lower_case_and_each_is_there_once() -> None:
    assert words_of("How does Re-indexing re_index  THE naïve 日本?") == [
        *["how", "does", "re", "indexing", "index", "the", "naïve", "日本"]
    ]


def test_no_sign_of_the_query_language_survives() -> None:
    words = words_of("a' & b | !c <-> (d:*) \\ %s")

    assert all_of(words) == "a:* & b:* & c:* & d:* & s:*"
    assert any_of(words) == "a:* | b:* | c:* | d:* | s:*"


def test_long_questions_are_bounded() -> None:
    assert len(words_of(" ".join(f"word{n}" for n in range(100)))) == 24
    assert [len(word) for word in words_of("x" * 500)] == [60]


def test_a_short_text_is_its_own_snippet() -> None:
    assert snippet_of("Green\n\n  tea", ["tea"]) == "Green tea"


@pytest.mark.req("OV-42")
def test_a_snippet_is_about_200_characters_around_the_match_with_marks_where_it_is_cut() -> None:
    snippet = snippet_of(f"{FILL} the samovar boils {FILL}", ["samovar"])

    assert "the samovar boils" in snippet
    assert snippet.startswith("...")
    assert snippet.endswith("...")
    assert 150 <= len(snippet) <= 206


@pytest.mark.req("OV-42")
def test_only_cut_ends_are_marked() -> None:
    at_start = snippet_of(f"samovar {FILL}", ["samovar"])
    at_end = snippet_of(f"{FILL}samovar", ["samovar"])

    assert (at_start[:7], at_start[-3:]) == ("samovar", "...")
    assert (at_end[:3], at_end[-7:]) == ("...", "samovar")


def test_it_lies_where_most_of_the_words_are() -> None:
    snippet = snippet_of(f"tea {FILL} tea of the samovar {FILL}", ["tea", "samovar"])

    assert "tea of the samovar" in snippet


def test_other_endings_of_a_long_word_are_found() -> None:
    assert "deployment" in snippet_of(f"{FILL}the deployment {FILL}", ["deploying"])


def test_little_words_do_not_draw_it_away() -> None:
    assert "samovar" in snippet_of(f"a {FILL} {FILL} samovar", ["a", "samovar"])


def test_without_a_match_it_is_the_beginning() -> None:
    snippet = snippet_of(FILL, ["samovar"])

    assert snippet.startswith("lorem ipsum")
    assert snippet.endswith("...")
