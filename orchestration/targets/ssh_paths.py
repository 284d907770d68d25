"""Which files of a host may be looked at."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Final

#: Never, whatever a target allows: (pattern of the whole path, what it is).
_NEVER: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), what)
    for pattern, what in (
        (r"/etc/g?shadow.*", "the password file"),
        (r"/etc/sudoers.*", "who may use sudo"),
        (r".*/\.(ssh|aws|kube|gnupg)(/.*)?", "a folder of credentials"),
        (r".*/\.env[^/]*(/.*)?", "a file of secrets"),
        (r".*/[^/]*\.(pem|key)(/.*)?", "a key"),
        (r".*/id_[^/]*(/.*)?", "a key"),
        (r"/proc/.*/(environ|mem)(/.*)?", "the inside of a process"),
        (r"/dev(/.*)?", "a device"),
    )
)


def path_problem(path: str, prefixes: Iterable[str]) -> str | None:
    """Why a path may not be read, None when it may. Links are not followed: ask again with what
    the path leads to."""
    if not path.startswith("/"):
        return f"{path!r} is not an absolute path"
    if ".." in path.split("/"):
        return f"{path!r} has .. in it"
    plain = plain_path(path)
    for pattern, what in _NEVER:
        if pattern.fullmatch(plain):
            return f"{path!r} is {what}"
    if prefix_of(plain, prefixes) is None:
        return f"{path!r} is outside of what this host shows"
    return None


def prefix_of(path: str, prefixes: Iterable[str]) -> str | None:
    """The longest prefix that a plain path lies in."""
    found = (one for one in map(plain_path, prefixes) if _is_in(path, one))
    return max(found, key=len, default=None)


def plain_path(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/")


def _is_in(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
