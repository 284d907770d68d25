"""From the bytes of a Markdown file to a title and pieces that can be searched. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: Characters of a piece. About 500 tokens: what one vector can stand for, and what fits together
#: into a snippet's neighbourhood.
MAX_PIECE: Final = 2_000
#: Sections are gathered into one piece until it has so many characters.
ENOUGH: Final = 400
MAX_HEADING: Final = 300
_MAX_HEADINGS: Final = 2_000
#: Longer lines are no headings, and longer front matter is none: patterns stay quick.
_MAX_LINE: Final = 1_000
_MAX_FRONT: Final = 4_000

#: Between a heading and the ones below it.
_ABOVE: Final = " > "

_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?![^ \t])")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_FRONT: Final = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_FRONT_TITLE: Final = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.M)
_MARKS: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]+|<[^>]{1,80}>")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a document. heading: the headings above it and in it, outermost first."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Parsed:
    title: str
    text: str
    pieces: tuple[Piece, ...]
    #: What was wrong with the bytes, else empty.
    problem: str = ""


def document_parse(data: bytes, name: str) -> Parsed:
    """Read a document. name: of its file, which is the title when the text has none.

    Bytes that are not UTF-8 become U+FFFD and are named as a problem; so do NUL characters, which
    the database refuses. The title is that of the front matter, else the first heading.
    """
    text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    problem = ""
    if "\ufffd" in text or "\0" in text:
        problem = "not valid UTF-8: unreadable characters were replaced"
        text = text.replace("\0", "\ufffd")
    front = _FRONT.match(text[:_MAX_FRONT])
    sections = _told(list(_sections(text[front.end() :] if front else text)))
    title = (_front_title(front[0]) if front else "") or _first_heading(sections) or _named(name)
    pieces = tuple(p for section in _gathered(sections) for p in _cut(section))
    return Parsed(title[:MAX_HEADING], text, pieces or (Piece("", ""),), problem)


def _front_title(front: str) -> str:
    found = _FRONT_TITLE.search(front)
    return found[2].strip() if found else ""


def _first_heading(sections: Iterable[Piece]) -> str:
    """The outermost one of the first section that has any."""
    return next((s.heading.split(_ABOVE)[0] for s in sections if s.heading), "")


def _named(name: str) -> str:
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return re.sub(r"[-_]+", " ", stem).strip() or stem


def _sections(text: str) -> Iterator[Piece]:
    """The text between two headings each, with the headings above it. Code holds no headings."""
    lines = text.split("\n")
    path: list[tuple[int, str]] = []
    start = 0
    for at, level, title, after in _headings(lines):
        yield from _section(path, lines[start:at])
        path = [above for above in path if above[0] < level] + [(level, title)]
        start = after
    yield from _section(path, lines[start:])


def _section(path: list[tuple[int, str]], lines: list[str]) -> Iterator[Piece]:
    body = "\n".join(lines).strip()
    heading = _ABOVE.join(title for _, title in path if title)
    if body or heading:
        yield Piece(heading[-_MAX_HEADINGS:], body)


def _told(sections: list[Piece]) -> list[Piece]:
    """Without bare headings that the next section repeats above its own."""
    following = [*sections, Piece("", "")][1:]
    return [
        section
        for section, after in zip(sections, following, strict=True)
        if section.text or not after.heading.startswith(section.heading + _ABOVE)
    ]


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str, int]]:
    """(line, level, title, line after it) of every heading."""
    fence = ""
    for at, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
        elif mark:
            fence = mark[1]
        elif len(line) > _MAX_LINE:
            continue
        elif found := _HEADING.match(line):
            yield at, len(found[1]), _plain(_unclosed(line[found.end() :])), at + 1
        elif (
            at + 1 < len(lines)
            and _UNDERLINE.match(lines[at + 1])
            and _may_be_underlined(lines, at)
        ):
            level = 1 if lines[at + 1].lstrip().startswith("=") else 2
            yield at, level, _plain(line), at + 2


def _unclosed(title: str) -> str:
    """Without the row of # that may end a heading. No pattern: those try every run of blanks."""
    title = title.strip(" \t")
    words = title.rstrip("#")
    return words if not words or words[-1] in " \t" else title


def _may_be_underlined(lines: list[str], at: int) -> bool:
    """A single line of words, not a list, a quote, a table or a rule."""
    line = lines[at].strip()
    alone = at == 0 or not lines[at - 1].strip()
    return alone and bool(line) and line[0] not in "-*+>|#=`~" and not _UNDERLINE.match(line)


def _plain(title: str) -> str:
    return _MARKS.sub(lambda m: m[1] or "", title).strip()[:MAX_HEADING]


def _gathered(sections: list[Piece]) -> Iterator[Piece]:
    """Short sections together, so that a list of one-line sections is not a hundred pieces."""
    waiting: list[Piece] = []
    size = 0
    for section in sections:
        if waiting and len(section.text) >= ENOUGH:
            yield _joined(waiting)
            waiting, size = [], 0
        waiting.append(section)
        size += len(section.text) + len(section.heading)
        if size >= ENOUGH:
            yield _joined(waiting)
            waiting, size = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(sections: list[Piece]) -> Piece:
    if len(sections) == 1:
        return sections[0]
    headings = list(dict.fromkeys(s.heading for s in sections if s.heading))
    bodies = [sections[0].text, *(f"{_own(s)}\n{s.text}" for s in sections[1:])]
    text = "\n\n".join(body.strip() for body in bodies if body.strip())
    return Piece("\n".join(headings)[:_MAX_HEADINGS], text)


def _own(section: Piece) -> str:
    return section.heading.split(_ABOVE)[-1]


def _cut(section: Piece) -> Iterator[Piece]:
    """At most MAX_PIECE characters each: at paragraphs, else lines, else words, else anywhere."""
    text = section.text
    bounds = [0]
    while len(text) - bounds[-1] > MAX_PIECE:
        bounds.append(_cut_after(text, bounds[-1]))
    for start, end in pairwise([*bounds, len(text)]):
        yield Piece(section.heading, text[start:end].strip())


def _cut_after(text: str, start: int) -> int:
    end = start + MAX_PIECE
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, start + MAX_PIECE // 2, end)
        if at > 0:
            return at + len(mark)
    return end
