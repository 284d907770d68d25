"""Bodies that nobody's client sends: read within bounds or refused, and then nothing is kept."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.models import Message, Run, Session
from orchestration.page.request import OverlayRequest, parse_request
from taskmapr.core.errors import InvalidInput
from taskmapr.foundation.problems import PROBLEM_JSON
from tests.contracts.schemas import SCHEMAS, validator
from tests.orchestration.api.conftest import Call
from tests.page.test_request_properties import BODY, JSON

MEMBERS = sorted(SCHEMAS["OverlayRequest"]["properties"])
STEADY: dict[str, Any] = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}
#: Any value for any member that the document names.
ANY_MEMBERS = st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=5)
_PROBLEM = validator("Problem")
_FITS = validator("OverlayRequest")


@pytest.mark.req("OV-11", "OV-13")
@settings(max_examples=1_500, **STEADY)
@given(BODY | ANY_MEMBERS | JSON)
def test_a_body_is_read_within_bounds_or_refused(body: Any) -> None:
    try:
        request = parse_request(body)
    except InvalidInput as error:
        refused = error.details["fields"]
    else:
        kept = orjson.dumps(request.as_stored())
        assert len(kept) < 4_000_000
        assert OverlayRequest.from_stored(orjson.loads(kept)) == request
        return
    assert refused
    assert not _fits(body)


def _fits(body: Any) -> bool:
    """What fits the document is never refused, unless nothing readable is left of its prompt."""
    if not _FITS.is_valid(body):
        return False
    prompt = body.get("prompt") or body["message"]
    return len(prompt) <= 32_000 and prompt.isprintable()


def _as_json(value: Any) -> bytes:
    """Also what orjson would not write: lone surrogates, NaN."""
    return json.dumps(value).encode()


BROKEN = st.one_of(
    st.binary(max_size=40),
    JSON.map(lambda value: _as_json(value)[:-1]),
    st.sampled_from(
        [b"[" * 5_000, b'{"a":' * 5_000, b"nul", b'{"prompt":"\\ud800"}', b"\xff\xfe{"]
    ),
)


@pytest.mark.req("OV-07", "OV-08", "OV-S8")
@settings(max_examples=250, **STEADY)
@given(
    body=ANY_MEMBERS.filter(lambda body: "prompt" not in body and "message" not in body).map(
        _as_json
    )
    | BROKEN,
    kind=st.sampled_from(["application/json"] * 8 + ["text/plain", "", "application/jsonp"]),
)
def test_what_is_refused_leaves_nothing(call: Call, body: bytes, kind: str) -> None:
    answer = call("POST", "/api/taskmapr/orchestrate", body, content_type=kind)

    assert answer.status in (400, 415, 422), answer.body
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert [error.message for error in _PROBLEM.iter_errors(answer.json)] == []
    assert [model.objects.count() for model in (Run, Session, Message)] == [0, 0, 0]


QUERY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@pytest.mark.req("OV-07", "VB-84")
@settings(max_examples=120, **STEADY)
@given(
    path=st.sampled_from(
        ["/api/history/{}", "/api/taskmapr/runs/{}", "/api/taskmapr/runs/{}/stream", "/api/{}"]
    ),
    name=QUERY_TEXT.filter(bool),
    limit=QUERY_TEXT,
    before=QUERY_TEXT,
)
def test_what_does_not_exist_is_not_found(
    call: Call, path: str, name: str, limit: str, before: str
) -> None:
    query = urlencode({"limit": limit, "before": before, "last_event_id": before})
    answer = call("GET", f"{path.format(quote(name, safe=''))}?{query}")

    assert answer.status in (400, 404, 422), answer.body
    assert [error.message for error in _PROBLEM.iter_errors(answer.json)] == []
