from __future__ import annotations

import re

import pytest

from taskmapr.core.errors import InvalidInput
from taskmapr.core.events import CATALOGUE, data_of, event_kind, kind_of
from tests.core.catalogue import current, published
from tests.recorded.logs import RUNS


def test_published_kinds_and_members_are_as_they_were():
    now = current()

    for kind, members in published().items():
        assert kind in now, f"{kind} was published and is gone"
        for name, member in members.items():
            assert now[kind].get(name) == member, f"{kind}.{name} was published and has changed"


def test_new_members_are_optional():
    before, now = published(), current()
    added = [
        f"{kind}.{name}"
        for kind in before
        for name, member in now[kind].items()
        if name not in before[kind] and member["required"]
    ]

    assert added == []


def test_the_snapshot_knows_every_kind_and_member():
    before, now = published(), current()

    assert {k: set(m) for k, m in now.items()} == {k: set(m) for k, m in before.items()}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_kinds_are_named_by_the_rule_and_explained(name):
    kind = CATALOGUE[name]

    assert re.fullmatch(r"[a-z]+(\.[a-z]+)?", name)
    assert kind.meaning.endswith(".")


@pytest.mark.parametrize("name", sorted(RUNS))
def test_payloads_survive_the_way_to_json_and_back(name):
    for payload in RUNS[name]():
        kind = kind_of(payload)

        assert kind.parse(data_of(payload)) == payload
        assert kind.parse({**data_of(payload), "from_the_future": 1}) == payload


def test_a_payload_with_a_wrong_or_missing_member_is_refused():
    with pytest.raises(InvalidInput, match="attempt"):
        CATALOGUE["run.started"].parse({"attempt": "soon", "worker": "w"})
    with pytest.raises(InvalidInput, match="text"):
        CATALOGUE["text.delta"].parse({})


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="twice"):
        event_kind("run.created")(type("Again", (), {}))
