"""Paths: which belong to programs rather than to people, and how they are spelled."""

from __future__ import annotations

from django.conf import settings
from django.urls import is_valid_path


def is_api_path(path: str) -> bool:
    """True when `path` answers programs: errors there are JSON, and no cookie session is read.

    `settings.API_PREFIXES` lists path prefixes without a trailing slash, such as `/api`.
    """
    return any(
        path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
        for prefix in settings.API_PREFIXES
    )


def spelled_path(path: str) -> str:
    """The path as its route declares it: API routes have no trailing slash, pages have either."""
    if is_api_path(path):
        return path.rstrip("/") or "/"
    other = path[:-1] if path.endswith("/") else f"{path}/"
    return other if path != "/" and not is_valid_path(path) and is_valid_path(other) else path
