"""The second half of deleting an account: every app destroys what it holds, then the row goes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from django.db import DatabaseError, transaction

from taskmapr.core.ports import Eraser
from taskmapr.users.models import User
from taskmapr.users.selectors import users_to_erase

logger = logging.getLogger(__name__)
_erasers: dict[str, Eraser] = {}


def eraser_register(app: str, eraser: Eraser) -> None:
    """Called in AppConfig.ready(). Erasers run in the order of registration, each once per try."""
    _erasers[app] = eraser


def users_erase() -> Mapping[str, int]:
    """Finish every requested deletion. Returns how many rows of which kind are gone.

    One user at a time, and an eraser finds less to do when it runs again: a job that was cut off
    goes on with the next call. A user whose rows the database does not let go (something refers to
    them that no eraser knows) is logged and tried again next time; the others do not wait for it.
    """
    total: Counter[str] = Counter()
    for user_id in list(users_to_erase().values_list("pk", flat=True)):
        try:
            total.update(_user_erase(user_id))
        except DatabaseError:
            logger.exception("Account %s could not be erased yet.", user_id)
    return dict(total)


def _user_erase(user_id: UUID) -> Mapping[str, int]:
    gone: Counter[str] = Counter()
    for eraser in _erasers.values():
        gone.update(eraser(user_id=user_id))
    with transaction.atomic():
        User.objects.filter(pk=user_id).exclude(erasure_requested_at=None).delete()
    logger.info("Account %s erased: %s", user_id, dict(gone))
    return {**gone, "users": 1}
