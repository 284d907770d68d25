"""A new key on its way from the form to the page that shows it: sealed, and taken once."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.http import HttpRequest

from taskmapr.foundation.crypto import master_fernet
from taskmapr.users.services.api_keys import IssuedKey

_NAME: Final = "taskmapr_fresh_key"
#: Whoever does not look within so many seconds makes another key.
_LIFE_S: Final = 600


def fresh_key_keep(request: HttpRequest, issued: IssuedKey) -> None:
    """Sealed, because sessions lie in the database, which must never hold a key."""
    sealed = master_fernet("field").encrypt(issued.text.encode()).decode()
    request.session[_NAME] = {"id": str(issued.row.pk), "sealed": sealed}


def fresh_key_take(request: HttpRequest, key_id: UUID) -> str | None:
    """The key's text the first time, None ever after."""
    kept = request.session.pop(_NAME, None)
    if not kept or kept["id"] != str(key_id):
        return None
    try:
        return master_fernet("field").decrypt(kept["sealed"].encode(), ttl=_LIFE_S).decode()
    except InvalidToken:
        return None
