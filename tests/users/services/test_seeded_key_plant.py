from __future__ import annotations

from typing import Any

import pytest

from taskmapr.core.errors import InvalidToken
from taskmapr.settings.env import Env
from taskmapr.settings.secrets import seeded_key_of
from taskmapr.users.models import ApiKey
from taskmapr.users.principals import principal_of_key, principal_of_token
from taskmapr.users.services.api_keys import api_key_revoke
from taskmapr.users.services.seeded_key import seeded_key_plant

FIRST, SECOND = "first-key-of-the-environment", "second-key-of-the-environment"

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-02", "TQ-35")]


def test_makes_a_key_that_lets_in(settings: Any) -> None:
    settings.SEEDED_API_KEY = FIRST

    assert len(seeded_key_plant()) == 1

    user, credential = principal_of_key(FIRST)
    assert principal_of_token(FIRST)[0] == user
    assert not user.is_staff
    assert credential.scopes is not None
    assert {"tasks:read", "tasks:assign", "tasks:cancel", "metrics"} <= credential.scopes
    assert FIRST not in str(list(ApiKey.objects.values()))


def test_a_second_start_changes_nothing(settings: Any) -> None:
    settings.SEEDED_API_KEY = FIRST
    seeded_key_plant()

    assert seeded_key_plant() == []
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("following", [SECOND, ""])
def test_a_replaced_key_is_refused(settings: Any, following: str) -> None:
    settings.SEEDED_API_KEY = FIRST
    seeded_key_plant()
    settings.SEEDED_API_KEY = following

    seeded_key_plant()

    with pytest.raises(InvalidToken):
        principal_of_key(FIRST)
    assert ApiKey.objects.get(beginning="fir…").revoked_at is not None


def test_a_key_that_an_operator_revoked_stays_revoked(settings: Any) -> None:
    settings.SEEDED_API_KEY = FIRST
    seeded_key_plant()
    api_key_revoke(key_id=ApiKey.objects.get().pk)

    seeded_key_plant()

    with pytest.raises(InvalidToken):
        principal_of_key(FIRST)


def test_has_another_name_in_the_environment() -> None:
    assert seeded_key_of(Env({"API_KEY": FIRST})) == FIRST
    assert seeded_key_of(Env({"API_KEY": FIRST, "TASKMAPR_API_KEY": SECOND})) == SECOND
    assert seeded_key_of(Env({})) == ""


@pytest.mark.parametrize("key", ["short", "with a space in the middle", "x" * 300])
def test_a_key_that_can_be_guessed_or_not_be_sent_stops_the_start(key: str) -> None:
    with pytest.raises(Exception, match="TASKMAPR_API_KEY must have"):
        seeded_key_of(Env({"TASKMAPR_API_KEY": key}))
