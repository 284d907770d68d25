"""The cast of the memory tests."""

from __future__ import annotations

import pytest

from taskmapr.users.models import User


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def cyd(db: None) -> User:
    return User.objects.create_user("cyd@example.org", "a long password")
