"""The examples of docs/protocols/overlay.md: requests are sent, frames are compared."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.api import service
from orchestration.dialects.base import Frame
from orchestration.dialects.overlay import OverlayDialect
from orchestration.dialects.overlay_json import OverlayAnswer
from orchestration.models import Message
from orchestration.models.approval import ApprovalAsks
from orchestration.page.request import parse_request
from orchestration.selectors.health import HealthCheck
from orchestration.services.pausing import approval_open
from orchestration.urls import urlpatterns
from taskmapr.core.errors import error_class
from tests.docs.documents import ROOT, blocks, table_rows
from tests.docs.likeness import assert_like
from tests.orchestration.api.conftest import Answer, Call
from tests.orchestration.conftest import StartRun

TEXT = (ROOT / "docs" / "protocols" / "overlay.md").read_text()
GOLDEN = ROOT / "tests" / "recorded" / "golden"


# Requests ---------------------------------------------------------------------------------------


@pytest.fixture
def known(start: StartRun) -> dict[str, str]:
    """What the examples call {run_id} and {approval_id}."""
    asking = start(session_id="s-2")
    question = approval_open(
        run_id=asking.pk,
        asks=ApprovalAsks.QUESTION,
        question={"prompt": "Which one?"},
        wait=timedelta(minutes=5),
    )
    return {"run_id": str(start().pk), "approval_id": str(question.pk)}


@pytest.mark.req("OV-09", "OV-16", "OV-17", "OV-20", "OV-22", "OV-51", "OV-58", "OV-59")
def test_every_request_is_answered_as_shown(
    call: Call, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_check", HealthCheck())
    examples = [_parts(_filled(block, known)) for block in blocks(TEXT, "http")]
    assert len(examples) == 26

    for (line, headers, body), expected in zip(examples[::2], examples[1::2], strict=True):
        method, path = line.split()
        headers.pop("Content-Type", "")
        answer = call(method, path, body, **{k.replace("-", "_"): v for k, v in headers.items()})
        _assert_answered(answer, expected, line)

    assert Message.objects.filter(role="assistant").count() == 1


def _assert_answered(answer: Answer, expected: Any, line: str) -> None:
    status, headers, body = expected
    assert answer.status == int(status), line
    assert {name: answer.headers[name] for name in headers} == headers, line
    if not body:
        assert answer.body == b"", line
        return
    if "event-stream" not in headers["Content-Type"]:
        assert_like(json.loads(body), answer.json, line)
        return
    shown, real = body.strip().split("\n"), answer.body.decode().strip().split("\n")
    assert len(shown) == len(real), line
    for ours, theirs in zip(shown, real, strict=True):
        if ours.startswith("data: "):
            assert_like(json.loads(ours[6:]), json.loads(theirs[6:]), line)
        else:
            assert ours == theirs, line


def _parts(block: str) -> tuple[str, dict[str, str], str]:
    """(first line, headers, body)"""
    head, _, body = block.partition("\n\n")
    first, *lines = head.strip().split("\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def _filled(text: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


OF_TASKS = ("/assign-task", "/result/", "/tasks", "/static/")


def test_every_path_is_described() -> None:
    routes = {"/" + re.sub(r"<str:(\w+)>", r"{\1}", str(p.pattern)) for p in urlpatterns}
    # Those of tasks are in a document of their own.
    routes = {route for route in routes if not route.startswith(OF_TASKS)}
    listed = {row[1].strip("`") for row in table_rows(TEXT, "") if len(row) == 3}

    assert routes <= listed
    assert listed - routes == {"/", "/health"}


# Frames -----------------------------------------------------------------------------------------


def _shown() -> list[dict[str, Any]]:
    return [json.loads(line) for block in blocks(TEXT, "json") for line in block.splitlines()]


def _recorded() -> list[dict[str, Any]]:
    lines = [line for path in GOLDEN.glob("*.overlay.jsonl") for line in path.open()]
    beat = OverlayDialect("019b8d0a-0000-7000-8000-000000000009").heartbeat(
        datetime(2026, 1, 5, 10, 1, tzinfo=UTC)
    )
    return [*(json.loads(line)["data"] for line in lines), beat.data]


@pytest.mark.req("OV-18")
def test_every_frame_shown_is_one_that_is_sent() -> None:
    recorded = _recorded()

    assert [frame for frame in _shown() if frame not in recorded] == []


@pytest.mark.req("OV-27")
def test_the_one_json_answer_is_that_of_the_frames_shown() -> None:
    (shown,) = blocks(TEXT, "json answer")
    answer = OverlayAnswer()
    for line in (GOLDEN / "tools_and_actions.overlay.jsonl").open():
        answer.take([Frame(json.loads(line)["data"])])

    assert json.loads(shown) == answer.body()


@pytest.mark.req("OV-18")
def test_every_type_of_frame_is_shown_and_described() -> None:
    sent = {frame["type"] for frame in _recorded()}
    described = {
        name for row in table_rows(TEXT, "`type`") for name in re.findall(r"`(\w+)`", row[0])
    }

    assert {frame["type"] for frame in _shown()} == sent
    assert described == sent


# Bounds -----------------------------------------------------------------------------------------


@pytest.mark.req("OV-11", "OV-12", "OV-13")
def test_a_request_at_its_bounds_is_cut_as_the_tables_say() -> None:
    """Each text is one character longer than the bound of its row."""
    inner = _inner_bounds()
    strings = {
        "pageContext": ("pathname", "search", "hash", "title"),
        "config": ("instructions",),
    }
    body: dict[str, Any] = {
        parent: {name: "a" * (inner[parent, name] + 1) for name in names}
        for parent, names in strings.items()
    }
    texts = [name for parent, name in inner if parent == "domElements" and name != "tagName"]
    element = {name: "a" * (inner["domElements", name] + 1) for name in texts}
    body["domElements"] = [element] * 501
    body["history"] = [{"content": "a" * (inner["history", "content"] + 1)}] * 51

    read = parse_request({"prompt": "x", **body}).as_stored()

    for parent, names in strings.items():
        for name in names:
            assert len(read[parent][name]) == inner[parent, name], name
    for name in texts:
        assert len(read["domElements"][0][name]) == inner["domElements", name], name
    assert len(read["history"][0]["content"]) == inner["history", "content"]
    assert (len(read["domElements"]), len(read["history"])) == (500, 50)


def _inner_bounds() -> dict[tuple[str, str], int]:
    """{(object, member): characters} of the second table of "Asking"."""
    bounds, parent = {}, ""
    for of, members, _, told in table_rows(TEXT, "Of"):
        parent = of.strip("`") or parent
        for name in re.findall(r"`(\w+)`", members):
            if number := re.match(r"([\d,]+) characters", told):
                bounds[parent, name] = int(number[1].replace(",", ""))
    return bounds


def test_every_member_of_a_request_is_described() -> None:
    rows = table_rows(TEXT, "Member")
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}

    stored = parse_request({"prompt": "x"}).as_stored()
    assert described == {*stored, "message", "context"} - {"received"}


def test_every_code_exists() -> None:
    rows = [*table_rows(TEXT, "Asking"), *table_rows(TEXT, "`error` frame")]
    named = {code for row in rows for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", " ".join(row))}

    assert len(named) > 12
    assert [code for code in named if error_class(code) is None] == []
