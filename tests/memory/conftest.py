"""The cast of the memory tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from memory.knowledge.meaning import meanings
from taskmapr.core import wired
from taskmapr.users.models import User
from tests.memory.embedders import Subjects


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def cyd(db: None) -> User:
    return User.objects.create_user("cyd@example.org", "a long password")


@pytest.fixture
def use() -> Iterator[Callable[[Any], None]]:
    """Have a certain embedder, or none."""
    real = wired.ports()
    meanings.forget()
    yield lambda embedder: wired.wire(replace(real, embedder=embedder))
    meanings.forget()
    wired.wire(real)


@pytest.fixture
def subjects(use: Callable[[Any], None]) -> Subjects:
    embedder = Subjects({"hello", "greeting", "hi"}, {"tea", "coffee", "drinks"})
    use(embedder)
    return embedder
