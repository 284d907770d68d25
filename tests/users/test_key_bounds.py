"""What a key is limited to beside its scopes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from taskmapr.core.errors import InvalidInput, NotAllowed
from taskmapr.users.models import ApiKey, User
from taskmapr.users.principals import principal_of_key
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import KeyBounds, api_key_issue

pytestmark = pytest.mark.req("TQ-02")


def _key(user: User, **bounds: Any) -> str:
    return api_key_issue(
        user_id=user.pk, name="x", scopes=[Scope.TASKS_ASSIGN], bounds=KeyBounds(**bounds)
    ).text


def test_the_credential_knows_types_and_intents(ada: User) -> None:
    bounded = principal_of_key(_key(ada, intents=("gmail.*",), task_types=("report_*", "echo")))[1]
    free = principal_of_key(_key(ada))[1]

    assert (bounded.intents, bounded.task_types) == (("gmail.*",), ("report_*", "echo"))
    assert (free.intents, free.task_types) == (None, None)


def test_tools_of_servers_are_named_as_they_are_listed(ada: User) -> None:
    names = ("mcp:docs/search", "mcp:shop/*")
    assert principal_of_key(_key(ada, intents=names))[1].intents == names


@pytest.mark.parametrize(
    ("address", "is_in"),
    [("10.1.2.3", True), ("11.1.2.3", False), ("2001:db8::1", True), ("2001:db9::1", False)],
)
def test_a_key_works_from_its_addresses_only(ada: User, address: str, is_in: bool) -> None:
    text = _key(ada, networks=("10.0.0.0/8", "2001:db8::/32"))

    if is_in:
        assert principal_of_key(text, address=ip_address(address))[0] == ada
    else:
        with pytest.raises(NotAllowed, match="from this address"):
            principal_of_key(text, address=ip_address(address))
        assert ApiKey.objects.get().last_used_at is None


def test_an_unknown_address_is_none_of_them(ada: User) -> None:
    with pytest.raises(NotAllowed):
        principal_of_key(_key(ada, networks=("0.0.0.0/0",)))


@pytest.mark.parametrize(
    "bounds",
    [{"intents": ("a b",)}, {"task_types": ("*x",)}, {"networks": ("10.0.0.300",)}],
)
def test_odd_bounds_are_refused(ada: User, bounds: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        _key(ada, **bounds)

    assert refused.value.details["fields"][0]["path"] == next(iter(bounds))
    assert not ApiKey.objects.exists()


def test_a_single_address_is_a_network(ada: User) -> None:
    _key(ada, networks=("10.0.0.7",))
    assert ApiKey.objects.get().networks == ["10.0.0.7/32"]
