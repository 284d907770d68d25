"""What real clients send fits the API document, and the document names what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.page.elements import Element, Position, element_of
from orchestration.page.request import parse_request
from taskmapr.core.errors import InvalidInput
from tests.contracts.schemas import SCHEMAS, validator

SENT: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "page" / "overlay_requests.json").read_text()
)


@pytest.mark.req("OV-11", "OV-12")
@pytest.mark.parametrize("body", SENT, ids=lambda body: body["prompt"])
def test_requests_of_the_browser_client_fit(body: dict[str, Any]) -> None:
    assert [e.message for e in validator("OverlayRequest").iter_errors(body)] == []


@pytest.mark.req("OV-11")
def test_every_member_that_is_read_is_described() -> None:
    stored = parse_request({"prompt": "x", "walkthroughContext": {"currentStepIndex": 0}})
    members = stored.as_stored()
    members.pop("received")

    assert SCHEMAS["OverlayRequest"]["properties"].keys() == {*members, "message", "context"}
    for name, component in (
        ("pageContext", "PageContext"),
        ("walkthroughContext", "WalkthroughContext"),
    ):
        assert SCHEMAS[component]["properties"].keys() == members[name].keys()
    assert SCHEMAS["RequestConfig"]["properties"].keys() == {*members["config"], "framework"}


@pytest.mark.req("OV-12")
def test_every_member_of_an_element_that_is_read_is_described() -> None:
    every = dict.fromkeys(SCHEMAS["DomElement"]["properties"], "x")
    every |= {"position": {"top": 1}, "isInteractive": True, "isVisible": False}
    element = element_of(every)

    assert element.as_json().keys() == every.keys()
    assert len(every) == len(Element.__dataclass_fields__)
    position = next(s for s in _alternatives("position") if "properties" in s)
    assert position["properties"].keys() == Position.__dataclass_fields__.keys()


def _alternatives(member: str) -> list[dict[str, Any]]:
    schema = SCHEMAS["DomElement"]["properties"][member]
    return schema.get("anyOf", [schema])


@pytest.mark.req("OV-11")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": None},
        {"prompt": "  "},
        {"prompt": 3},
        {"prompt": "x", "domElements": "x"},
        {"prompt": "x", "history": {}},
        {"prompt": "x", "pageContext": []},
        {"prompt": "x", "customContext": 1},
        {"prompt": "x", "stream": "yes"},
        {"prompt": "x", "sessionId": "with space"},
        {"prompt": "x", "sessionId": ""},
        {"prompt": "x", "config": []},
    ],
    ids=json.dumps,
)
def test_what_is_refused_does_not_fit_either(body: dict[str, Any]) -> None:
    assert not validator("OverlayRequest").is_valid(body)
    with pytest.raises(InvalidInput):
        parse_request(body)
