"""What TaskMapr refuses to start with, as Django system checks.

Commands run them by themselves. Servers do not, so every other process (web, worker) goes through
`refuse_unsafe_start` while Django is being set up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, run_checks
from django.core.exceptions import ImproperlyConfigured

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
