"""docs/protocols/intents.md says what is so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from orchestration.api.intent_urls import urlpatterns
from tests.docs.documents import ROOT, blocks
from tests.orchestration.intents.conftest import (  # noqa: F401 - fixtures
    Call,
    call,
    play,
    send,
    worker,
)

TEXT = (ROOT / "docs" / "protocols" / "intents.md").read_text()


def test_every_address_is_named() -> None:
    routes = {"/" + re.sub(r"<str:(\w+)>", r"{\1}", str(p.pattern)) for p in urlpatterns}

    assert [route for route in routes if f"{route}`" not in TEXT] == []


def _shape(value: Any) -> Any:
    return {name: _shape(inner) for name, inner in value.items()} if isinstance(value, dict) else ""


@pytest.mark.req("IN-03", "IN-04", "IN-09")
def test_the_examples_are_what_is_answered(call: Call) -> None:  # noqa: F811 - the fixture
    (request,), (answer,), (accepted,), (job,) = (
        [json.loads(block) for block in blocks(TEXT, f"json {name}")]
        for name in ("request", "answer", "accepted", "job")
    )

    told = call("POST", "/orchestrate", request)
    later = call("POST", "/orchestrate", {**request, "async": True})
    seen = call("GET", f"/jobs/{told.json['job_id']}")

    for shown, real in ((answer, told), (accepted, later), (job, seen)):
        assert _shape(shown) == _shape(real.json)
        assert list(shown) == list(real.json)
    assert told.json["result"] == answer["result"]
