from __future__ import annotations

import json
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.page.request import OverlayRequest, parse_request
from taskmapr.core.errors import InvalidInput

ODD_TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["\0", "\ud800", "x" * 9_000])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4),
    max_leaves=12,
)
ELEMENT_MEMBERS = [
    *("id", "tagName", "textContent", "classNames", "role", "ariaLabel", "ariaDescribedBy"),
    *("placeholder", "value", "type", "position", "isInteractive", "href", "isVisible"),
]
ELEMENT = st.dictionaries(st.sampled_from(ELEMENT_MEMBERS), JSON | ODD_TEXT, max_size=8)
ITEM = st.fixed_dictionaries(
    {}, optional={"role": st.sampled_from(["user", "assistant", "system"]), "content": ODD_TEXT}
)
BODY = st.fixed_dictionaries(
    {"prompt": ODD_TEXT},
    optional={
        "history": st.lists(ITEM | JSON, max_size=6) | JSON,
        "domElements": st.lists(ELEMENT | JSON, max_size=6) | JSON,
        "pageContext": st.dictionaries(st.sampled_from(["pathname", "title", "hash"]), JSON) | JSON,
        "walkthroughContext": st.fixed_dictionaries(
            {"currentStepIndex": JSON}, optional={"id": JSON, "currentStep": JSON}
        ),
        "customContext": JSON,
        "config": st.dictionaries(
            st.sampled_from(["model", "temperature", "maxTokens", "instructions"]), JSON
        ),
        "sessionId": JSON,
        "stream": JSON,
        "timestamp": JSON,
    },
)


@pytest.mark.req("OV-11", "OV-13")
@settings(max_examples=300, deadline=None)
@given(BODY | JSON)
def test_any_body_is_read_within_bounds_or_refused(body):
    try:
        request = parse_request(body)
    except InvalidInput:
        return
    stored = request.as_stored()
    text = orjson.dumps(stored)

    assert b"\\u0000" not in text
    assert 1 <= len(request.prompt) <= 32_000
    assert all(len(item.content) <= 8_000 for item in request.history)
    assert all(len(element.value) <= 100 for element in request.elements)
    assert all(len(element.text) <= 200 for element in request.elements)
    assert OverlayRequest.from_stored(orjson.loads(text)) == request


@pytest.mark.req("OV-15")
@settings(max_examples=200, deadline=None)
@given(
    ELEMENT,
    st.sampled_from(["password", "Passcode", "api token", "SECRET", "card number", "cvv", "ssn"]),
    st.sampled_from(["id", "ariaLabel", "placeholder"]),
    ODD_TEXT.filter(lambda text: not text[-1:].isalpha()),
)
def test_no_secret_value_survives(element, word, member, before):
    element |= {member: before + word, "value": "hunter2-hunter2"}
    request = parse_request({"prompt": "x", "domElements": [element]})

    assert "hunter2" not in json.dumps(request.as_stored())


@pytest.mark.req("OV-13")
def test_a_body_of_broken_items_is_read_quickly():
    body = {"prompt": "x", "domElements": [[]] * 300_000, "history": [[]] * 300_000}
    begin = time.process_time()
    request = parse_request(body)

    assert time.process_time() - begin < 1
    assert request.elements == ()
    assert request.dropped == 3_000
