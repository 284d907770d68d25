"""What is written into `docs/` from the code: events, errors, the API document."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import orjson

from orchestration.api.document import document
from taskmapr.core.errors import TaskMaprError, error_classes
from taskmapr.core.events import CATALOGUE, EventKind, is_required

_MADE = "<!-- Made by `python manage.py docs`. Change the code, not this page. -->"


def pages() -> dict[str, str]:
    """The text of each page by its name in `docs/`."""
    return {
        "events.md": _page(_events()),
        "errors.md": _page(_errors()),
        "openapi.json": _indented(document()),
    }


def _indented(json: bytes) -> str:
    """One member on a line, so that a changed interface is read as a change."""
    return orjson.dumps(orjson.loads(json), option=orjson.OPT_INDENT_2).decode() + "\n"


def _page(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _events() -> Iterator[str]:
    yield from (_MADE, "# Events", "")
    yield "A run is the ordered log of these events, numbered from 1 without gaps."
    yield "Kinds are never renamed or reused; new kinds and new optional members may come, so"
    yield "readers ignore what they do not know. *Content* is what people and models said and can"
    yield "be sealed with the owner's key; *metadata* is what operators may always read. What may"
    yield "*quote* content is sealed where that is, and something general stands in its place."
    for kind in CATALOGUE.values():
        yield from _event(kind)


def _event(kind: EventKind) -> Iterator[str]:
    yield from ("", f"## {kind.name}", "", kind.meaning)
    fields = dataclasses.fields(kind.payload)
    if not fields:
        return
    yield from ("", "| Member | Type | | Holds |", "|---|---|---|---|")
    for field in fields:
        type_ = str(field.type).replace("|", "\\|")
        need = "required" if is_required(field) else "optional"
        holds = "content" if field.name in kind.content_fields else "metadata"
        if field.name in kind.stand_ins:
            holds += ", may quote content"
        yield f"| `{field.name}` | `{type_}` | {need} | {holds} |"


def _errors() -> Iterator[str]:
    yield from (_MADE, "# Errors", "")
    yield "Every error of the HTTP interface is an RFC 9457 problem whose `code` is one of these."
    yield "The same codes stand in `error` frames of streams. *Retry*: the same request may succeed"
    yield "later without being changed."
    yield from ("", "| Code | Status | Title | Retry | Meaning |", "|---|---|---|---|---|")
    for cls in sorted(_by_code().values(), key=lambda cls: (cls.status, cls.code)):
        retry = "yes" if cls.retryable else "no"
        yield f"| `{cls.code}` | {cls.status} | {cls.title} | {retry} | {cls.meaning()} |"


def _by_code() -> dict[str, type[TaskMaprError]]:
    # A class that only adds behaviour shares the code of its parent, which comes first.
    classes: dict[str, type[TaskMaprError]] = {}
    for cls in error_classes():
        if cls.__module__ == TaskMaprError.__module__:
            classes.setdefault(cls.code, cls)
    return classes
