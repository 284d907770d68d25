"""The one user of a server on which nobody can sign in yet."""

from __future__ import annotations

from typing import Final
from uuid import NAMESPACE_URL, uuid5

from taskmapr.users.models import User

DEV_USER_NAME: Final = "test-user-dev"
DEV_USER_ID: Final = uuid5(NAMESPACE_URL, f"taskmapr:{DEV_USER_NAME}")


def dev_user_ensure() -> User:
    """An ordinary user without a usable password, made on first use."""
    if user := User.objects.filter(pk=DEV_USER_ID).first():
        return user
    fresh = {"email": f"{DEV_USER_NAME}@localhost", "password": "!"}
    return User.objects.get_or_create(pk=DEV_USER_ID, defaults=fresh)[0]
