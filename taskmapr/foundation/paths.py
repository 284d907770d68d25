"""Which paths belong to programs rather than to people."""

from __future__ import annotations

from django.conf import settings


def is_api_path(path: str) -> bool:
    """True when `path` answers programs: errors there are JSON, and no cookie session is read.

    `settings.API_PREFIXES` lists path prefixes without a trailing slash, such as `/api`.
    """
    return any(
        path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
        for prefix in settings.API_PREFIXES
    )
