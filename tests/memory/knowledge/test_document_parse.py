"""From a Markdown file to a title and pieces."""

from __future__ import annotations

import time

import pytest

from memory.knowledge.markdown import MAX_PIECE, Parsed, document_parse

LONG = "Words that fill a section so that it stands alone. " * 10


def parsed(text: str, name: str = "some-file.md") -> Parsed:
    return document_parse(text.encode(), name)


def headings(text: str) -> list[str]:
    return [piece.heading for piece in parsed(text).pieces]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Tea\n\nGreen.", "Tea"),
        ("Words first.\n\n## Second *level* `code` [link](x.md) ##", "Second level code link"),
        ("# C# and F#", "C# and F#"),
        ("#\tTabs\t##\t", "Tabs"),
        ("### ###\n\n# Tea", "Tea"),
        ("Tea\n===\n\nGreen.", "Tea"),
        ("---\ntitle: 'From the front'\ntags: [a]\n---\n# Tea", "From the front"),
        ("Only words.", "some file"),
        ("", "some file"),
        ("```\n# no heading\n```", "some file"),
        ("#no heading", "some file"),
    ],
)
def test_the_title_is_the_front_matters_or_the_first_headings_or_the_files(
    text: str, title: str
) -> None:
    assert parsed(text, "notes/some-file.md").title == title


def test_each_long_section_is_a_piece_under_the_headings_above_it() -> None:
    text = f"# Tea\n\n{LONG}\n\n## Green\n\n{LONG}\n\n### Sencha\n\n{LONG}\n\n## Black\n\n{LONG}"

    assert headings(text) == ["Tea", "Tea > Green", "Tea > Green > Sencha", "Tea > Black"]


def test_code_holds_no_headings() -> None:
    text = f"# Tea\n\n````sh\n# a comment {LONG}\n```\n# another\n````\n\n## Green\n\n{LONG}"

    assert headings(text) == ["Tea", "Tea > Green"]


def test_short_sections_share_a_piece_and_keep_their_headings() -> None:
    (piece,) = parsed("# Tea\n\n## Green\n\nFresh.\n\n## Black\n\nStrong.").pieces

    assert piece.heading == "Tea > Green\nTea > Black"
    assert piece.text == "Fresh.\n\nBlack\nStrong."


def test_headings_without_a_text_are_kept_unless_the_next_repeats_them() -> None:
    assert headings("# Tea\n## Green\n## Black") == ["Tea > Green\nTea > Black"]


def test_long_sections_are_cut_between_paragraphs_and_lose_nothing() -> None:
    paragraphs = [f"Paragraph {n}. {LONG}" for n in range(12)]
    pieces = parsed("# Tea\n\n" + "\n\n".join(paragraphs)).pieces

    assert len(pieces) > 2
    assert all(len(piece.text) <= MAX_PIECE for piece in pieces)
    assert all(piece.text.startswith("Paragraph") for piece in pieces)
    assert " ".join(" ".join(p.text for p in pieces).split()) == " ".join(
        " ".join(paragraphs).split()
    )


def test_a_word_without_an_end_is_cut_somewhere() -> None:
    pieces = parsed("x" * (2 * MAX_PIECE + 1)).pieces

    assert [len(piece.text) for piece in pieces] == [MAX_PIECE, MAX_PIECE, 1]


@pytest.mark.req("OV-41")
def test_broken_bytes_are_replaced_and_named() -> None:
    broken = document_parse(b"# Tea\n\nGr\xfcn \0 tea", "tea.md")

    assert "Gr\ufffdn \ufffd tea" in broken.text
    assert broken.problem == "not valid UTF-8: unreadable characters were replaced"
    assert parsed("# Tea").problem == ""


def test_a_byte_order_mark_and_other_line_ends_are_no_text() -> None:
    assert document_parse(b"\xef\xbb\xbf# Tea\r\n\r\nGreen.\rBlack.", "x.md").text == (
        "# Tea\n\nGreen.\nBlack."
    )


@pytest.mark.parametrize(
    "data",
    [
        b"#" + b" " * 2_000_000,
        (b"# a" + b" " * 990 + b"a\n") * 2_000,
        (b"# a" + b" #" * 490 + b"a\n") * 2_000,
        b"---\ntitle:" + b" " * 2_000_000,
        b"# a\n" * 500_000,
        b"a\n--\n" * 400_000,
        b"`" * 2_000_000,
        b"[" * 2_000_000,
        b"x " * 1_000_000,
        b"- \n" * 600_000,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_no_text_of_the_largest_size_takes_long(data: bytes) -> None:
    began = time.process_time()

    document_parse(data, "x.md")

    assert time.process_time() - began < 5
