"""Quotas for tests: the cast, and short ways to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from agents_cfg.selectors.fresh import fresh
from billing.models import Quota
from billing.services.quotas import quota_reserve
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import AskedRun
from taskmapr.users.models import User

MakeQuota = Callable[..., Quota]
Ask = Callable[..., AskedRun]


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def cyd(db: None) -> User:
    return User.objects.create_user("cyd@example.org", "a long password")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    fresh.clear()
    yield
    fresh.clear()


@pytest.fixture
def quota(db: None) -> MakeQuota:
    def make(**given: Any) -> Quota:
        made = Quota.objects.create(**given)
        fresh.clear()
        return made

    return make


@pytest.fixture
def ask(ada: User) -> Ask:
    """Somebody asks to start a run, in a transaction of its own. Ada, unless told."""

    def one(name: str = "memory.write", *, user: User = ada, **given: Any) -> AskedRun:
        given = {"credential": f"user:{user.pk}", **given}
        asked = AskedRun(run_id=uuid7(), user_id=user.pk, name=name, **given)
        with transaction.atomic():
            quota_reserve(asked)
        return asked

    return one
