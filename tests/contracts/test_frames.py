"""What is sent fits what the API document says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from orchestration.dialects.base import Frame
from orchestration.dialects.overlay import OverlayDialect
from orchestration.dialects.overlay_json import OverlayAnswer
from orchestration.dialects.overlay_schema import DATA, component_of
from tests.contracts.schemas import DOCUMENT, validator

RECORDED = Path(__file__).parents[1] / "recorded" / "golden"
FRAMES = [
    json.loads(line)["data"]
    for path in sorted(RECORDED.glob("*.overlay.jsonl"))
    for line in path.open()
]
BEAT = OverlayDialect(UUID(int=1)).heartbeat(datetime(2026, 1, 5, tzinfo=UTC)).data


@pytest.mark.req("OV-18")
def test_every_recorded_frame_has_the_members_described_and_no_others() -> None:
    strict = {name: validator(component_of(name), strict=True) for name in DATA}

    wrong = [e.message for f in [*FRAMES, BEAT] for e in strict[f["type"]].iter_errors(f)]

    assert wrong == []
    assert [f for f in FRAMES if not validator("OverlayFrame").is_valid(f)] == []


@pytest.mark.req("OV-18")
def test_every_type_that_is_sent_is_described() -> None:
    assert {frame["type"] for frame in [*FRAMES, BEAT]} == DATA.keys()


@pytest.mark.parametrize("member", ["type", "event", "run_id", "seq", "timestamp", "data"])
def test_a_frame_without_one_of_its_members_is_refused(member: str) -> None:
    frame = {name: value for name, value in FRAMES[0].items() if name != member}

    assert not validator("OverlayFrame").is_valid(frame)


@pytest.mark.req("OV-27")
@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.overlay.jsonl")), ids=lambda p: p.stem)
def test_the_answer_as_one_object_fits(path: Path) -> None:
    answer = OverlayAnswer()
    answer.take(Frame(json.loads(line)["data"]) for line in path.open())

    body: Any = json.loads(json.dumps(answer.body()))

    assert [e.message for e in validator("OverlayAnswer", strict=True).iter_errors(body)] == []


def test_the_requests_shown_fit() -> None:
    asked = DOCUMENT["paths"]["/api/taskmapr/orchestrate"]["post"]["requestBody"]["content"]
    examples = [e["value"] for e in asked["application/json"]["examples"].values()]

    assert examples
    for example in examples:
        validator("OverlayRequest", strict=True).validate(example)
