"""What pages of other origins may send and see. The names are those of django-cors-headers."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured

from taskmapr.foundation.origins import is_origin

#: Where a developer's pages come from.
LOCAL_ORIGINS = ["http://localhost:*", "http://127.0.0.1:*"]
#: What the overlay profiles add: a function that lists their origins.
TASKMAPR_ORIGINS = "agents_cfg.selectors.profiles.profile_origins"

_BACKUP_HEADERS = (
    "x-backup-version",
    "x-backup-timestamp",
    "x-backup-checksum",
    "x-backup-chunk-count",
)
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = (
    "authorization",
    "content-type",
    "x-api-key",
    "x-request-id",
    "x-user-id",
    "last-event-id",
    "idempotency-key",
    "cache-control",
    "accept",
    "if-match",
    "if-modified-since",
    *_BACKUP_HEADERS,
)
CORS_EXPOSE_HEADERS = (
    "X-Run-Id",
    "X-Session-Id",
    "X-Request-Id",
    "Retry-After",
    "Location",
    "Last-Modified",
    "Idempotency-Replayed",
    "X-Total-Count",
    "X-Checksum",
    "X-Backup-Version",
    "X-Backup-Timestamp",
    "X-Backup-Checksum",
    "X-Backup-Chunk-Count",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
)
#: Seconds for which a browser need not ask again.
CORS_PREFLIGHT_MAX_AGE = 3600
#: Pages of the public web may call a server of the intranet, if their origin is allowed.
CORS_ALLOW_PRIVATE_NETWORK = True


def allowed_origins(listed: Iterable[str], *, is_local: bool) -> list[str]:
    """The origins of the settings; without any, those of a developer's machine if `is_local`.

    Raises ImproperlyConfigured for what is no origin; a bare `*` is none on purpose.
    """
    origins = [origin.rstrip("/") for origin in listed]
    for origin in origins:
        if not is_origin(origin):
            raise ImproperlyConfigured(
                f"CORS_ALLOWED_ORIGINS: {origin!r} is not an origin such as"
                " https://app.example.com or http://localhost:*"
            )
    return origins or (list(LOCAL_ORIGINS) if is_local else [])
