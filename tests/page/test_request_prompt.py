from __future__ import annotations

import pytest

from orchestration.page.request import OverlayRequest, parse_request
from taskmapr.core.errors import InvalidInput


def refused_paths(body: object) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        parse_request(body)
    return [field["path"] for field in refused.value.details["fields"]]


@pytest.mark.req("OV-11")
def test_a_prompt_alone_is_enough():
    request = parse_request({"prompt": "  Hello  "})

    assert request == OverlayRequest(prompt="Hello")
    assert request.page.pathname == "/"
    assert request.stream is None


@pytest.mark.req("OV-11", "OV-70")
def test_the_older_form_is_read():
    request = parse_request(
        {
            "message": "Hi",
            "context": {"tenant": "demo"},
            "config": {
                "model": "m",
                "temperature": 9,
                "maxTokens": 0,
                "instructions": " brief ",
            },
        }
    )

    assert request.prompt == "Hi"
    assert request.custom_context == {"tenant": "demo"}
    assert request.config.model == "m"
    assert request.config.temperature == 2.0
    assert request.config.max_tokens == 1
    assert request.config.instructions == "brief"


@pytest.mark.req("OV-11")
def test_the_newer_name_wins_over_its_alias():
    assert parse_request({"prompt": "new", "message": "old"}).prompt == "new"
    assert parse_request({"prompt": None, "message": "old"}).prompt == "old"


@pytest.mark.req("OV-11")
def test_every_other_member_may_be_null():
    names = (
        *("history", "domElements", "pageContext", "walkthroughContext", "customContext"),
        *("timestamp", "sessionId", "config", "profile", "stream", "context", "message"),
    )

    assert parse_request({"prompt": "x", **dict.fromkeys(names)}) == OverlayRequest(prompt="x")


@pytest.mark.req("OV-11", "OV-S8")
@pytest.mark.parametrize("body", [{}, {"prompt": None}, {"prompt": " \n "}, {"prompt": "\0"}])
def test_a_missing_prompt_is_named(body):
    assert refused_paths(body) == ["prompt"]


@pytest.mark.req("OV-11")
def test_the_prompt_is_measured_after_trimming():
    assert len(parse_request({"prompt": " " * 9 + "x" * 32_000}).prompt) == 32_000
    assert refused_paths({"prompt": "x" * 32_001}) == ["prompt"]


@pytest.mark.req("OV-13", "OV-S8")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("domElements", "x"),
        ("history", {}),
        ("pageContext", []),
        ("walkthroughContext", "tour"),
        ("customContext", "x"),
        ("config", 1),
        ("profile", 1),
        ("stream", "no"),
        ("sessionId", 7),
        ("prompt", 5),
    ],
)
def test_a_wrong_top_level_type_is_named(member, value):
    assert member in refused_paths({"prompt": "x", member: value})


@pytest.mark.req("OV-11")
@pytest.mark.parametrize("session_id", ["", "a b", "x" * 201, "a/b", "a\n"])
def test_a_malformed_session_id_is_refused(session_id):
    assert refused_paths({"prompt": "x", "sessionId": session_id}) == ["sessionId"]


@pytest.mark.req("OV-11")
def test_everything_wrong_is_told_at_once():
    assert refused_paths({"prompt": "x", "history": 1, "sessionId": "/"}) == [
        "history",
        "sessionId",
    ]


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_a_body_that_is_no_object_is_refused(body):
    assert refused_paths(body) == ["body"]


@pytest.mark.req("OV-11")
def test_the_walkthrough_comes_from_the_custom_context_when_it_has_the_shape():
    tour = {"id": "t", "currentStepIndex": 1, "totalSteps": 3, "currentStep": {"query": "#a"}}

    given = parse_request({"prompt": "x", "walkthroughContext": tour}).walkthrough
    found = parse_request({"prompt": "x", "customContext": {"activeWalkthrough": tour}}).walkthrough
    other = parse_request({"prompt": "x", "customContext": {"activeWalkthrough": {"id": "t"}}})

    assert given == found
    assert found is not None
    assert found.as_json() == tour
    assert other.walkthrough is None


@pytest.mark.req("OV-13")
def test_a_long_custom_context_is_cut_with_a_mark():
    request = parse_request({"prompt": "x", "customContext": {"notes": ["long " * 100] * 100}})

    assert request.custom_context is not None
    assert list(request.custom_context) == ["cut"]
    assert len(request.custom_context["cut"]) <= 16_384
