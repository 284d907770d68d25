"""The knowledge folder on disk: which collections and documents are there, and their bytes.

Every direct subfolder is a collection of `.md` and `.markdown` files at any depth. What is hidden
is left alone; what cannot be read is listed with the reason. Nothing here knows the database.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Of one file. Documentation is written by people; a larger file is data.
MAX_FILE_BYTES: Final = 2 * 1024 * 1024
MAX_DEPTH: Final = 32
#: Longer names and paths do not fit into the database (memory/models/knowledge.py).
MAX_NAME: Final = 120
MAX_PATH: Final = 500
_ENDINGS: Final = (".md", ".markdown")

LEADS_OUT: Final = "a link that leads out of the knowledge folder"
FOLDER_LINK: Final = "a link to a folder; links are followed to files only"
NO_FILE: Final = "not a regular file"
UNREADABLE: Final = "cannot be read: {reason}"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A document on disk. `problem`: why it is not read, else empty."""

    path: str
    size_bytes: int
    mtime_ns: int
    problem: str = ""


@dataclass(slots=True)
class FoundCollection:
    """A folder on disk; documents by their path in it. `problem`: why it is not read."""

    files: dict[str, FoundFile] = field(default_factory=dict)
    problem: str = ""


Found = dict[str, FoundCollection]


class FileRefused(Exception):
    """The document cannot be read; the message says why, without a path of this machine."""


def collections_find(root: Path) -> Found | None:
    """What is in the folder now; None when the folder itself is not there."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return None
    inside = os.path.realpath(root)
    return {
        entry.name: _collection(entry, inside)
        for entry in entries
        if _is_shown(entry.name, MAX_NAME) and _is_folder(entry)
    }


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Also a link to one, which is then refused by name."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _collection(entry: os.DirEntry[str], inside: str) -> FoundCollection:
    found = FoundCollection()
    if entry.is_symlink():
        found.problem = FOLDER_LINK
        return found
    try:
        for file in _files(entry.path, "", inside, 0):
            found.files[file.path] = file
    except OSError as error:
        found.problem = UNREADABLE.format(reason=error.strerror)
    return found


def _files(folder: str, prefix: str, inside: str, depth: int) -> Iterator[FoundFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if not _is_shown(entry.name, MAX_PATH - len(prefix)):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _subfolder(entry, path, inside, depth)
            elif entry.name.lower().endswith(_ENDINGS):
                yield _file(entry, path, inside)


def _subfolder(entry: os.DirEntry[str], path: str, inside: str, depth: int) -> Iterator[FoundFile]:
    """A folder that cannot be read hides no other."""
    if depth >= MAX_DEPTH:
        return
    try:
        yield from list(_files(entry.path, f"{path}/", inside, depth + 1))
    except OSError as error:
        yield FoundFile(path, 0, 0, UNREADABLE.format(reason=error.strerror))


def _file(entry: os.DirEntry[str], path: str, inside: str) -> FoundFile:
    try:
        if entry.is_symlink() and not _is_inside(os.path.realpath(entry.path), inside):
            return FoundFile(path, 0, 0, LEADS_OUT)
        about = entry.stat()
    except OSError as error:
        return FoundFile(path, 0, 0, UNREADABLE.format(reason=error.strerror))
    return FoundFile(path, about.st_size, about.st_mtime_ns, _problem_of(about))


def _problem_of(about: os.stat_result) -> str:
    if not stat.S_ISREG(about.st_mode):
        return NO_FILE
    if about.st_size > MAX_FILE_BYTES:
        return f"too large: {about.st_size:,} bytes, at most {MAX_FILE_BYTES:,}"
    return ""


def _is_shown(name: str, longest: int) -> bool:
    """Not hidden, and a name that the database can hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not name.startswith(".") and len(name) <= longest


def _is_inside(path: str, inside: str) -> bool:
    return os.path.commonpath([path, inside]) == inside


def file_read(root: Path, collection: str, path: str) -> bytes:
    """The bytes of a document that `collections_find` listed. Raises FileRefused.

    Looks again at everything that may have changed since: nothing outside of the folder is ever
    opened, and nothing longer than MAX_FILE_BYTES is read.
    """
    real = os.path.realpath(root / collection / path)
    if not _is_inside(real, os.path.realpath(root)):
        raise FileRefused(LEADS_OUT)
    try:
        handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if problem := _problem_of(os.fstat(handle)):
                raise FileRefused(problem)
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FileRefused(UNREADABLE.format(reason=error.strerror)) from None
    if len(data) > MAX_FILE_BYTES:
        raise FileRefused("too large: it grew while it was read")
    return data
