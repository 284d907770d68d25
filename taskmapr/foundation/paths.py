"""Paths: which belong to programs rather than to people, and how they are spelled."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from django.conf import settings
from django.urls import is_valid_path

#: Characters of a path whose kind is remembered: nobody fills the memory with long ones.
_KEPT_PATH: Final = 128


def is_api_path(path: str) -> bool:
    """True when `path` answers programs: errors there are JSON, and no cookie session is read.

    `settings.API_PREFIXES` lists path prefixes without a trailing slash, such as `/api`.
    """
    below = _is_below if len(path) <= _KEPT_PATH else _is_below.__wrapped__
    return below(path, tuple(settings.API_PREFIXES))


@lru_cache(maxsize=1024)
def _is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    """Each request asks a dozen times, mostly for one of a few paths."""
    return any(
        path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
        for prefix in prefixes
    )


def spelled_path(path: str) -> str:
    """The path as its route declares it: API routes have no trailing slash, pages have either."""
    if is_api_path(path):
        return path.rstrip("/") or "/"
    other = path[:-1] if path.endswith("/") else f"{path}/"
    return other if path != "/" and not is_valid_path(path) and is_valid_path(other) else path
