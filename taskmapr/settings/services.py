"""Which PostgreSQL and Redis are used: the named ones, else the data directory's own pair."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import certifi
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.database import HostedTls, database_settings, is_hosted
from taskmapr.settings.env import Env
from taskmapr.stack.places import postgres_url, redis_url

_REDIS_SCHEMES = {"redis", "rediss", "unix"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where the servers are. The embedded flags say that `manage.py up` starts them."""

    database_url: str
    redis_url: str
    embedded_postgres: bool
    embedded_redis: bool


def services_of(env: Env, data_dir: Path) -> Services:
    """DATABASE_URL wins over SUPABASE_DB_URL, which the two flags switch off."""
    database = env.text("DATABASE_URL")
    if not database and not (env.flag("SUPABASE_DB_DISABLED") or env.flag("DISABLE_SUPABASE_DB")):
        database = env.text("SUPABASE_DB_URL")
    redis = env.text("REDIS_URL")
    if redis and urlsplit(redis).scheme not in _REDIS_SCHEMES:
        raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://")
    return Services(
        database_url=database or postgres_url(data_dir),
        redis_url=redis or redis_url(data_dir),
        embedded_postgres=not database,
        embedded_redis=not redis,
    )


def databases_of(
    env: Env, services: Services, data_dir: Path, *, pool: dict[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """DATABASES, and warnings about its TLS for the start-up checks."""
    tls = HostedTls(roots=Path(certifi.where()))
    warnings: list[str] = []
    if is_hosted(services.database_url):
        tls, warnings = hosted_tls(env, data_dir)
    settings = database_settings(
        services.database_url,
        tls=tls,
        pool=pool,
        prepares=env.flag("TASKMAPR_DB_PREPARE", default=True),
    )
    return {"default": settings}, warnings


def hosted_tls(env: Env, data_dir: Path) -> tuple[HostedTls, list[str]]:
    """The public roots plus the configured root, in one file that libpq can read."""
    warnings: list[str] = []
    if allow_invalid := env.flag("SUPABASE_DB_ALLOW_INVALID_SSL"):
        warnings.append(
            "SUPABASE_DB_ALLOW_INVALID_SSL is on: the database's certificate is not verified, "
            "so anybody on the way can read and change what is stored."
        )
    configured = env.text("SUPABASE_DB_SSL_ROOT_CERT_DATA").replace("\\n", "\n")
    if not configured and (name := env.text("SUPABASE_DB_SSL_ROOT_CERT")):
        try:
            configured = Path(name).read_text()
        except OSError as error:
            warnings.append(
                f"SUPABASE_DB_SSL_ROOT_CERT cannot be read ({error.strerror}: {name}); "
                "the public roots are used instead."
            )
    roots = _bundle(configured, data_dir) if configured else Path(certifi.where())
    return HostedTls(roots=roots, allow_invalid=allow_invalid), warnings


def _bundle(configured: str, data_dir: Path) -> Path:
    try:
        ssl.create_default_context(cadata=configured)
    except (ssl.SSLError, ValueError) as error:
        raise ImproperlyConfigured(
            f"the configured root certificate is not PEM: {error}"
        ) from error
    wanted = Path(certifi.where()).read_text() + "\n" + configured.strip() + "\n"
    bundle = data_dir / "database-roots.pem"
    if not bundle.exists() or bundle.read_text() != wanted:
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = bundle.with_suffix(".new")
        draft.write_text(wanted)
        draft.rename(bundle)
    return bundle


def celery_broker_url(url: str) -> str:
    """Redis's URL in kombu's notation, which spells sockets differently."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    number = parse_qs(parts.query).get("db", ["0"])[-1]
    return f"redis+socket://{parts.path}?virtual_host={number}"
