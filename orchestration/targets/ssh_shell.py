"""What a shell would make of a command line, as far as a look can tell. Runs nothing.

Made for rules that match text: quotes, backslashes, spare slashes, `sudo` and the like must not
hide a command from them. It reads more into a line than a shell would, never asks the machine what
a variable or a pattern stands for, and so is a net, not a guarantee.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_WRAPPER_NAMES: Final = """
sudo doas su env command builtin exec eval nohup setsid nice ionice chrt taskset stdbuf time timeout
xargs parallel watch busybox toybox chroot unshare nsenter flock strace ltrace systemd-run runuser
setpriv script ssh then do else elif if while until ! coproc
"""
#: Commands that carry out the words behind them.
_WRAPPERS: Final = frozenset(_WRAPPER_NAMES.split())
_SHELL_NAMES: Final = "sh bash dash ash zsh ksh mksh csh tcsh fish"
SHELLS: Final = frozenset(_SHELL_NAMES.split())
#: Words behind a wrapper that are looked at one by one.
MOST_WORDS: Final = 64
_DEPTH: Final = 4
_EXPANDED: Final = 64

_SEPARATORS: Final = frozenset({";", "&", "&&", "|", "||", "|&", "(", ")", "{", "}", "$(", "<("})
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=.*", re.DOTALL)
_OPERATOR: Final = re.compile(r"\|\||&&|\|&|;+|\|(?!\|)|<\(|>\(|&?>>?[|&]?|<<?<?-?|[&()\n]")
_NOTHING: Final = re.compile(r"\$[@*]|\$\{[@*]\}|\$\{?IFS\}?|\$\{?HOME\}?")
_BRACES: Final = re.compile(r"(?s)([^{}]*)\{([^{}]*,[^{}]*)\}(.*)")
_SCRIPT: Final = re.compile(r"[\s;|&<>()`$]")


class TooTangled(ValueError):
    """Nobody can say what this line would do."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    is_operator: bool = False


def commands_in(line: str) -> list[str]:
    """The line with one space between its words, then each simple command that stands in it,
    without wrappers: `sudo /bin//rm  -r"f" /./` gives `rm -rf /` among others.

    Raises TooTangled when there is more in it than can be looked at.
    """
    return list(dict.fromkeys(_commands(line, 0)))


def _commands(line: str, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        raise TooTangled("scripts within scripts")
    tokens = [_Token(_plain(t.text), t.is_operator) for t in _expanded(_Lexer(line).tokens())]
    segments = list(_segments(tokens))
    yield " ".join(token.text for token in _named(tokens))
    heads: set[str] = set()
    for words in segments:
        for form in _forms(words):
            heads.add(form[0])
            yield " ".join(form)
    if heads & (SHELLS | _WRAPPERS):
        for token in tokens:
            if not token.is_operator and _SCRIPT.search(token.text):
                yield from _commands(token.text, depth + 1)


def _named(tokens: list[_Token]) -> Iterator[_Token]:
    """Commands by their names alone, wherever they are."""
    is_first = True
    for token in tokens:
        if token.is_operator or token.text in _SEPARATORS:
            is_first = True
            yield token
        else:
            yield _Token(posixpath.basename(token.text) or token.text) if is_first else token
            is_first = is_first and (
                token.text in _WRAPPERS or _ASSIGNMENT.fullmatch(token.text) is not None
            )


def _segments(tokens: list[_Token]) -> Iterator[list[str]]:
    words: list[str] = []
    for token in tokens:
        if token.text in _SEPARATORS or token.text == "\n" or token.text.startswith(";"):
            if words:
                yield words
            words = []
        else:
            words.append(token.text)
    if words:
        yield words


def _forms(words: list[str]) -> Iterator[list[str]]:
    """A simple command, and what its wrappers would run: a wrapper's own options are not known
    here, so every word behind it may be the first of the command."""
    bare = _without_assignments(words)
    if not bare:
        return
    head = posixpath.basename(bare[0]) or bare[0]
    yield [head, *bare[1:]]
    if head not in _WRAPPERS | SHELLS:
        return
    rest = [word for word in bare[1:] if not _ASSIGNMENT.fullmatch(word) or "/" in word]
    if len(rest) > MOST_WORDS:
        raise TooTangled("a command behind too many words")
    for start, word in enumerate(rest):
        if word and not word.startswith("-"):
            yield [posixpath.basename(word) or word, *rest[start + 1 :]]


def _without_assignments(words: list[str]) -> list[str]:
    for number, word in enumerate(words):
        if not _ASSIGNMENT.fullmatch(word):
            return words[number:]
    return []


def _plain(word: str) -> str:
    """Paths without spare parts, also behind `=`."""
    name, equals, value = word.partition("=")
    if equals and "/" not in name and "/" in value:
        return f"{name}={_plain_path(value)}"
    return _plain_path(word) if "/" in word else word


def _plain_path(path: str) -> str:
    if any(char.isspace() for char in path) or "://" in path:
        return path
    plain = posixpath.normpath(path)
    # POSIX lets two leading slashes mean something else; shells do not.
    return "/" + plain.lstrip("/") if plain.startswith("//") else plain


def _expanded(tokens: list[_Token]) -> Iterator[_Token]:
    """`{rm,-r,/}` as the words that it stands for."""
    for token in tokens:
        if token.is_operator or "{" not in token.text:
            yield token
        else:
            yield from (_Token(word) for word in _braces(token.text))


def _braces(word: str) -> list[str]:
    words = [word]
    while len(words) < _EXPANDED:
        for number, one in enumerate(words):
            if found := _BRACES.fullmatch(one):
                before, choices, after = found.groups()
                words[number : number + 1] = [
                    before + choice + after for choice in choices.split(",")
                ]
                break
        else:
            return words
    raise TooTangled("too many words in braces")


@dataclass(slots=True)
class _Lexer:
    """Splits a line as a POSIX shell would, and forgives what one would refuse."""

    line: str
    at: int = 0
    quote: str = ""
    word: list[str] | None = None
    found: list[_Token] = field(default_factory=list)
    #: Quotes to go back to at the end of each substitution.
    outer: list[str] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)

    def tokens(self) -> list[_Token]:
        while self.at < len(self.line):
            if self.quote == "'":
                self._in_single_quotes()
            else:
                self._step(self.line[self.at])
        self._end_word()
        return self.found

    def _step(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == '"':
            self.quote = "" if self.quote else '"'
            self._add("", 1)
        elif char == "`":
            self._tick()
        elif self.line.startswith("$(", self.at):
            self._substitute("$(", 2)
        elif found := _NOTHING.match(self.line, self.at):
            self._variable(found.group())
        elif self.quote:
            self._add(char, 1)
        else:
            self._unquoted(char)

    def _unquoted(self, char: str) -> None:
        if char == "'":
            self.quote = "'"
            self._add("", 1)
        elif self.line.startswith("$'", self.at):
            self._ansi_c()
        elif self.line.startswith('$"', self.at):
            self._add("", 1)
        elif char == ")" and self.outer:
            self._operator(")", 1)
            self.quote = self.outer.pop()
        elif found := _OPERATOR.match(self.line, self.at):
            if found.group() in ("<(", ">("):
                self._substitute("<(", 2)
            else:
                self._operator(found.group(), len(found.group()))
        elif char.isspace():
            self._end_word()
            self.at += 1
        else:
            self._add(char, 1)

    def _in_single_quotes(self) -> None:
        end = self.line.find("'", self.at)
        end = len(self.line) if end < 0 else end
        self._add(self.line[self.at : end], end + 1 - self.at)
        self.quote = ""

    def _escape(self) -> None:
        following = self.line[self.at + 1 : self.at + 2]
        if self.quote and following not in '"\\$`\n':
            self._add("\\", 1)
        else:
            self._add("" if following == "\n" else following, 2)

    def _ansi_c(self) -> None:
        end = self.line.find("'", self.at + 2)
        end = len(self.line) if end < 0 else end
        raw = self.line[self.at + 2 : end]
        try:
            text = codecs.decode(raw.encode("latin-1", "replace"), "unicode_escape")
        except UnicodeDecodeError:
            text = raw
        self._add(text, end + 1 - self.at)

    def _variable(self, name: str) -> None:
        if "IFS" in name:
            self._end_word()
            self.at += len(name)
        else:
            self._add("~" if "HOME" in name else "", len(name))

    def _substitute(self, opening: str, length: int) -> None:
        self.outer.append(self.quote)
        self.quote = ""
        self._operator(opening, length)

    def _tick(self) -> None:
        if self.ticks:
            self._operator(")", 1)
            self.quote = self.ticks.pop()
        else:
            self.ticks.append(self.quote)
            self.quote = ""
            self._operator("$(", 1)

    def _operator(self, text: str, length: int) -> None:
        self._end_word()
        self.found.append(_Token(text, is_operator=True))
        self.at += length

    def _add(self, text: str, length: int) -> None:
        if self.word is None:
            self.word = []
        self.word.append(text)
        self.at += length

    def _end_word(self) -> None:
        if self.word is not None:
            self.found.append(_Token("".join(self.word)))
        self.word = None
