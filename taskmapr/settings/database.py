"""From a database URL to Django's DATABASES. Pure: no file is written, nothing is connected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_SCHEMES = {
    "postgres",
    "postgresql",
    "postgresql+asyncpg",
    "postgresql+psycopg",
    "postgresql+psycopg2",
}
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
#: Transaction poolers (Supavisor, PgBouncer) listen here: a session is not one connection.
_POOLER_PORT = 6543
_CONNECT_TIMEOUT_S = 10
#: A statement that came so often on a connection is prepared there.
_PREPARE_AFTER = 5
#: A server that vanished without a word is given up after about ten seconds. Left to itself, the
#: kernel waits a quarter of an hour, and every thread that asked something waits with it.
_VANISHED = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTls:
    """How the certificate of a hosted database is verified.

    roots: a PEM file that exists: the public roots, with the configured one if there is one.
    """

    roots: Path
    allow_invalid: bool = False


def database_settings(
    url: str, *, tls: HostedTls, pool: Mapping[str, Any] | None, prepares: bool = True
) -> dict[str, Any]:
    """One entry of DATABASES.

    prepares: False behind a pooler of transactions, where a session is not one connection; its
    usual port says so by itself.
    pool: options of psycopg_pool.ConnectionPool; None = a connection per thread, for tests and
    for commands. Raises ImproperlyConfigured for a URL that is not PostgreSQL's.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {
        "connect_timeout": _seconds(query.get("connect_timeout")),
        **_VANISHED,
        **_tls_options(url, query, tls),
    }
    if pool is not None:
        options["pool"] = dict(pool)
    settings: dict[str, Any] = {
        "ENGINE": "taskmapr.foundation.postgres",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or query.get("user", "")),
        "PASSWORD": unquote(parts.password or query.get("password", "")),
        "HOST": _host(url),
        "PORT": str(_port(url) or query.get("port", "")),
        # Under ASGI every request may be another thread: kept connections would only pile up.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
    if _port(url) == _POOLER_PORT or not prepares:
        settings["DISABLE_SERVER_SIDE_CURSORS"] = True
        options["prepare_threshold"] = None
    else:
        # Statements that come again are parsed and planned once per connection: a third of what a
        # run costs Postgres.
        options |= {"server_side_binding": True, "prepare_threshold": _PREPARE_AFTER}
    return settings


def is_hosted(url: str) -> bool:
    """True for a database of Supabase, which is always spoken to over verified TLS."""
    return "supabase" in _host(url).lower()


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parse_qs(parts.query).get("host", [""])[-1] or parts.hostname or ""


def _tls_options(url: str, query: Mapping[str, str], tls: HostedTls) -> dict[str, str]:
    mode = query.get("sslmode", "")
    if mode and mode not in _SSL_MODES:
        raise ImproperlyConfigured(f"sslmode must be one of {', '.join(sorted(_SSL_MODES))}")
    if not is_hosted(url):
        return {name: query[name] for name in ("sslmode", "sslrootcert") if name in query}
    if tls.allow_invalid:
        return {"sslmode": "require"}
    return {"sslmode": "verify-full", "sslrootcert": str(tls.roots)}


def _seconds(text: str | None) -> int:
    if text is None:
        return _CONNECT_TIMEOUT_S
    # Other scripts and superscripts have digits too, and what is longer is no time to wait.
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0):
        raise ImproperlyConfigured("connect_timeout must be a whole number of seconds above 0")
    return int(text)


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {error}") from error
