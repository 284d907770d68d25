"""What TaskMapr refuses to start with, as Django system checks.

Commands run them by themselves. Servers do not, so every other process (web, worker) goes through
`refuse_unsafe_start` while Django is being set up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, run_checks
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.sign_in import ALGORITHMS_KNOWN, ExternalSignIn

TAG = "taskmapr"
#: 256 bits written as base64 have 43 characters; 32 is what HS256 asks for at least.
_SECRET_LENGTH_MIN = 32
_DEFAULTS = ("change", "example", "insecure", "secret", "password", "only-for-tests")

logger = logging.getLogger("taskmapr.start")


def check_secrets(**_: Any) -> list[CheckMessage]:
    """In production every secret is set, long and not one that anybody can guess."""
    if settings.ENV != "prod":
        return []
    return list(_weak_secrets())


def check_exposure(**_: Any) -> list[CheckMessage]:
    """Nothing that is meant for a developer's machine is on where others can reach it."""
    found: list[CheckMessage] = []
    if settings.ENV == "prod" and settings.DEBUG:
        found.append(Error("DJANGO_DEBUG is on in production.", id="taskmapr.E004"))
    if settings.ENV == "prod" and (settings.EMBEDDED_POSTGRES or settings.EMBEDDED_REDIS):
        missing = "DATABASE_URL" if settings.EMBEDDED_POSTGRES else "REDIS_URL"
        message = f"{missing} is not set: production does not run on the embedded servers."
        found.append(Error(message, id="taskmapr.E005"))
    if settings.DISABLE_AUTH and not settings.DEBUG and not settings.ALLOW_INSECURE:
        message = "DISABLE_AUTH lets everybody in, and DJANGO_DEBUG is off."
        hint = "Remove DISABLE_AUTH, or say TASKMAPR_ALLOW_INSECURE=true if this is what you want."
        found.append(Error(message, hint=hint, id="taskmapr.E006"))
    elif settings.DISABLE_AUTH:
        message = "DISABLE_AUTH IS ON: every request is let in as the user test-user-dev."
        found.append(Warning(message, id="taskmapr.W001"))
    return found


def check_sign_in(**_: Any) -> list[CheckMessage]:
    """Somebody can sign in, and nobody by a token that anybody can make."""
    external: ExternalSignIn = settings.EXTERNAL_SIGN_IN
    found: list[CheckMessage] = []
    if settings.ENV != "dev" and not settings.JWT_SECRET and not external.is_configured:
        message = "Nobody can sign in: neither JWT_SECRET nor a setting of SUPABASE_JWT_… is set."
        found.append(Error(message, id="taskmapr.E007"))
    if external.jwt_secret:
        found += _shared_secret_faults(external)
    if unknown := sorted(set(external.algorithms) - ALGORITHMS_KNOWN):
        message = f"SUPABASE_JWT_ALGORITHMS names what cannot be verified: {', '.join(unknown)}."
        found.append(Error(message, id="taskmapr.E009"))
    if settings.ENV == "prod" and any(_is_readable_on_the_way(u) for u in external.jwks_urls):
        message = "Public keys are fetched over plain HTTP, so anybody on the way can replace them."
        found.append(Error(message, id="taskmapr.E010"))
    if external.is_configured and not external.issuer:
        message = "SUPABASE_JWT_ISSUER is not set: tokens of every issuer with that key are taken."
        found.append(Warning(message, id="taskmapr.W003"))
    if external.is_configured and external.audiences is None:
        message = "SUPABASE_JWT_AUDIENCE is *: tokens made for other services are taken too."
        found.append(Warning(message, id="taskmapr.W004"))
    return found


def check_database(**_: Any) -> list[CheckMessage]:
    """What the settings found doubtful about the database's TLS."""
    return [Warning(text, id="taskmapr.W002") for text in settings.DATABASE_WARNINGS]


def refuse_unsafe_start() -> None:
    """Warnings are logged. Raises ImproperlyConfigured, naming every error, when there is one."""
    found = run_checks(tags=[TAG])
    errors = [message for message in found if message.is_serious()]
    for message in found:
        if message not in errors:
            logger.warning("%s (%s)", message.msg, message.id)
    if errors:
        raise ImproperlyConfigured(" ".join(f"{m.id}: {m.msg} {m.hint or ''}" for m in errors))


def _shared_secret_faults(external: ExternalSignIn) -> Iterator[CheckMessage]:
    if settings.ENV == "prod":
        yield from _weak("SUPABASE_JWT_SECRET", external.jwt_secret, "taskmapr.E008")
    if external.jwt_secret == settings.JWT_SECRET:
        message = "SUPABASE_JWT_SECRET is JWT_SECRET: the provider could sign for this server."
        yield Error(message, hint="Use a JWT_SECRET of its own.", id="taskmapr.E008")


def _is_readable_on_the_way(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


def _weak_secrets() -> Iterator[CheckMessage]:
    yield from _weak("DJANGO_SECRET_KEY", _django_key(), "taskmapr.E001")
    for master in settings.TASKMAPR_SECRET_KEYS or [""]:
        yield from _weak("TASKMAPR_SECRET_KEY", master, "taskmapr.E002")
    yield from _weak("JWT_SECRET", settings.JWT_SECRET, "taskmapr.E003")


def _django_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's answer to an empty one
        return ""


def _weak(name: str, value: str, check_id: str) -> Iterator[CheckMessage]:
    hint = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(48))"'
    if not value:
        yield Error(f"{name} is not set.", hint=hint, id=check_id)
    elif len(value) < _SECRET_LENGTH_MIN:
        yield Error(f"{name} is shorter than 32 characters.", hint=hint, id=check_id)
    elif any(word in value.lower() for word in _DEFAULTS):
        yield Error(f"{name} is a default value.", hint=hint, id=check_id)
