"""The one key that the environment may name, for installations that make no key by hand."""

from __future__ import annotations

import logging
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from taskmapr.users.models import ApiKey, User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import api_key_hash

logger = logging.getLogger(__name__)

KEY_NAME: Final = "TASKMAPR_API_KEY"
#: Whom the key acts for: an ordinary account, nobody's own.
OWNER_ID: Final = uuid5(NAMESPACE_URL, "taskmapr:api-key-of-the-environment")
_OWNER_EMAIL: Final = "service@taskmapr.local"
#: Everything that a program may do for its own owner.
SCOPES: Final = sorted(set(Scope.values) - {Scope.IMPERSONATE.value})


@transaction.atomic
def seeded_key_plant() -> list[str]:
    """Make the key of the settings one of the database's, and revoke the one that it replaces.

    Safe to repeat and to run twice at once. A key that an operator has revoked stays revoked.
    Returns what was made.
    """
    text: str = settings.SEEDED_API_KEY
    key_hash = api_key_hash(text) if text else ""
    replaced = ApiKey.objects.filter(user_id=OWNER_ID, name=KEY_NAME, revoked_at=None)
    if gone := replaced.exclude(key_hash=key_hash).update(revoked_at=timezone.now()):
        logger.warning("%d former keys of %s revoked", gone, KEY_NAME)
    if not text:
        return []
    User.objects.get_or_create(pk=OWNER_ID, defaults={"email": _OWNER_EMAIL, "password": "!"})
    _, is_new = ApiKey.objects.get_or_create(
        key_hash=key_hash,
        defaults={
            "user_id": OWNER_ID,
            "name": KEY_NAME,
            "beginning": f"{text[:3]}…",
            "scopes": SCOPES,
        },
    )
    return [f"the API key of {KEY_NAME}"] if is_new else []
