"""The secret store: named values that only the code that needs them reads."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from agents_cfg.models import Secret
from taskmapr.core.errors import InvalidInput, NotConfigured

logger = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,79}")
_USE_NOTED_EVERY: Final = timedelta(minutes=1)


@transaction.atomic
def secret_save(*, secret: Secret, by: str) -> Secret:
    """Store a secret. `by`: who did it, for the log, which never has the value.

    Raises InvalidInput for a name that cannot be and for no value.
    """
    secret_check(secret)
    is_new = secret._state.adding
    secret.updated_at = datetime.now(UTC)
    secret.save()
    logger.info("secret %s %s by %s", secret.name, "added" if is_new else "changed", by)
    return secret


def secret_check(secret: Secret) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = []
    if not _NAME.fullmatch(secret.name):
        problems.append(("name", "begins with a letter; letters, digits, dot, - and _ follow"))
    if not secret.value:
        problems.append(("value", "is needed"))
    if problems:
        raise InvalidInput.of(*problems)


def secret_read(name: str) -> str:
    """The value of a secret; that it was used is noted.

    Keep it no longer than needed: no log, event, result or exception may have it.
    Raises NotConfigured when there is no such secret, or no present master key opens it.
    """
    secret = Secret.objects.filter(name=name).only("value").first()
    if secret is None:
        raise NotConfigured(f"There is no secret named {name!r}.")
    value: str = secret.value
    if not value:
        raise NotConfigured(f"The secret {name!r} cannot be opened: its master key is missing.")
    _use_note(secret.pk)
    return value


def _use_note(pk: int) -> None:
    now = datetime.now(UTC)
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
    Secret.objects.filter(is_due, pk=pk).update(last_used_at=now)


def secret_names() -> list[str]:
    """Names of all secrets in alphabetical order, for choices in forms."""
    return list(Secret.objects.order_by("name").values_list("name", flat=True))
