from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from orchestration.models import Effect, Run
from orchestration.services.effects import effect_begin, effect_settle, fingerprint_of
from orchestration.services.leases import Claim
from taskmapr.core.errors import LeaseLost
from tests.orchestration.conftest import StartRun

RECEIPT = {"ok": True, "result": {"id": 7}, "error": None}


@pytest.fixture
def call(start: StartRun, hold: Callable[[UUID], Claim]) -> dict[str, Any]:
    claim = hold(start().pk)
    return {"run_id": claim.run_id, "lease_token": claim.lease_token, "call_id": "c1"}


def _begin(call: dict[str, Any], **changes: Any) -> Any:
    return effect_begin(**call, tool="mail.send", fingerprint="f", **changes)


def test_a_first_call_may_go_ahead(call: dict[str, Any]) -> None:
    assert _begin(call).state == "begun"
    assert Effect.objects.get().status == "begun"


def test_a_settled_call_is_answered_from_its_receipt(call: dict[str, Any]) -> None:
    _begin(call)
    effect_settle(**call, receipt=RECEIPT)

    entry = _begin(call)

    assert (entry.state, entry.receipt) == ("settled", RECEIPT)


def test_a_call_begun_and_not_settled_is_unknown_and_stays_so(call: dict[str, Any]) -> None:
    _begin(call)

    assert _begin(call).state == "unknown"
    assert Effect.objects.count() == 1


def test_a_call_that_did_not_happen_may_be_repeated(call: dict[str, Any]) -> None:
    _begin(call)

    assert _begin(call, again=True).state == "begun"


def test_a_failed_call_is_not_repeated_either(call: dict[str, Any]) -> None:
    _begin(call)
    effect_settle(**call, receipt={"ok": False, "result": None, "error": "refused"})

    assert _begin(call).receipt["error"] == "refused"
    assert Effect.objects.get().status == "failed"


def test_who_lost_the_lease_can_neither_begin_nor_settle(call: dict[str, Any]) -> None:
    _begin(call)
    Run.objects.filter(pk=call["run_id"]).update(lease_token=call["lease_token"] + 1)

    with pytest.raises(LeaseLost):
        _begin({**call, "call_id": "c2"})
    with pytest.raises(LeaseLost):
        effect_settle(**call, receipt=RECEIPT)

    assert Effect.objects.get().status == "begun"


def test_a_fingerprint_names_one_action_whatever_the_order_of_its_arguments() -> None:
    one = fingerprint_of("mail.send", {"to": "ada", "text": "hi"})

    assert one == fingerprint_of("mail.send", {"text": "hi", "to": "ada"})
    assert one != fingerprint_of("mail.send", {"text": "hi", "to": "ben"})
    assert one != fingerprint_of("mail.draft", {"to": "ada", "text": "hi"})
