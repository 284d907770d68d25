from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import Run
from orchestration.selectors.artifacts import file_url
from orchestration.services.artifacts import artifact_store
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call
from tests.pictures import png

Assign = Callable[..., str]

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-21")]


@pytest.fixture
def task_id(assign: Assign) -> str:
    return assign()


def _keep(task_id: str, name: str, data: bytes, media_type: str, **more: Any) -> str:
    told = artifact_store(
        run_id=Run.objects.get(pk=task_id).pk, name=name, data=data, media_type=media_type, **more
    )
    folder = "screenshots" if told.role == "screenshot" else "results"
    return file_url(task_id, folder, told.name)


@pytest.fixture
def shot(task_id: str) -> str:
    return _keep(task_id, "one.png", png(8, 4), "image/png", role="screenshot")


@pytest.mark.req("TQ-S11")
def test_a_signed_address_is_enough(call: Call, shot: str) -> None:
    answer = call("GET", shot, user=None)

    assert (answer.status, answer.body) == (200, png(8, 4))
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(png(8, 4)))


@pytest.mark.req("TQ-S11")
@pytest.mark.parametrize(
    "alter",
    [
        lambda url: url[:-2] + ("AA" if url[-2:] != "AA" else "BB"),
        lambda url: url.replace("exp=", "exp=1"),
        lambda url: url.partition("&")[0],
        lambda url: url.partition("?")[0],
        lambda url: url.replace("one.png", "two.png"),
        lambda url: url.replace("screenshots", "results"),
        lambda url: url.replace("one.png", "../one.png"),
        lambda url: url.replace("one.png", "..%2Fone.png"),
        lambda url: url.replace("exp=", "exp=%F0%9D%9F%8E"),
    ],
)
def test_an_altered_address_leads_nowhere(
    call: Call, shot: str, alter: Callable[[str], str]
) -> None:
    answer = call("GET", alter(shot), user=None)

    assert answer.status == 404
    assert answer.json["code"] in {"file_not_found", "not_found"}


@pytest.mark.req("TQ-S11")
def test_an_address_is_good_for_its_time(call: Call, task_id: str, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "file_links_s": -120}
    over = _keep(task_id, "one.png", png(8, 4), "image/png", role="screenshot")

    assert call("GET", over, user=None).status == 404


@pytest.mark.req("TQ-S11")
def test_a_signature_is_good_for_its_own_task(call: Call, assign: Assign, shot: str) -> None:
    other = assign()
    _keep(other, "one.png", png(8, 4), "image/png", role="screenshot")
    query = parse_qs(urlsplit(shot).query)

    stolen = f"/static/screenshots/{other}/one.png?exp={query['exp'][0]}&sig={query['sig'][0]}"

    assert call("GET", stolen, user=None).status == 404


@pytest.mark.req("TQ-03")
def test_the_owner_needs_no_signature(
    call: Call, shot: str, ada: User, cyd: User, key_of: Callable[..., dict[str, str]]
) -> None:
    plain = shot.partition("?")[0]

    assert call("GET", plain).status == 200
    assert call("GET", plain, user=None, **key_of(ada, "tasks:read")).status == 200
    strangers = [
        call("GET", plain, user=cyd),
        call("GET", plain, user=None),
        call("GET", plain, user=None, **key_of(ada, "tasks:assign")),
        call("GET", plain, user=None, **{"x-api-key": "tm_wrong"}),
        call("GET", plain.replace("one.png", "none.png")),
        call("GET", "/static/screenshots/abc/one.png"),
    ]
    assert {(a.status, a.json["code"]) for a in strangers} == {(404, "file_not_found")}


def test_private_files_have_no_address(call: Call, task_id: str) -> None:
    _keep(task_id, "page.html", b"<p>", "text/html", role="private")

    assert call("GET", f"/static/results/{task_id}/page.html").status == 404
    assert call("GET", file_url(task_id, "results", "page.html"), user=None).status == 404


@pytest.mark.parametrize(
    ("media_type", "is_shown"),
    [
        ("image/png", True),
        ("image/jpeg", True),
        ("image/webp", True),
        ("application/pdf", True),
        ("text/plain", True),
        ("text/html", False),
        ("image/svg+xml", False),
        ("text/csv", False),
        ("application/json", False),
    ],
)
def test_only_harmless_kinds_are_shown_in_place(
    call: Call, task_id: str, media_type: str, is_shown: bool
) -> None:
    answer = call("GET", _keep(task_id, "file.x", b"<script>", media_type), user=None)

    how = answer.headers["Content-Disposition"]
    assert how.startswith("inline" if is_shown else "attachment")
    sent = answer.headers["Content-Type"].partition(";")[0]
    assert sent == (media_type if is_shown else "application/octet-stream")


def test_odd_names_survive(call: Call, task_id: str) -> None:
    name = 'Report "Q1" 100%?.csv'
    answer = call("GET", _keep(task_id, name, b"a,b", "text/csv"), user=None)

    assert (answer.status, answer.body) == (200, b"a,b")
    assert r'filename="Report \"Q1\" 100%?.csv"' in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-99", 200, b"0123456789", None),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=10-12", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=12-10", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_a_part_can_be_asked_for(
    call: Call, task_id: str, asked: str, status: int, body: bytes, told: str | None
) -> None:
    address = _keep(task_id, "ten.txt", b"0123456789", "text/plain")
    answer = call("GET", address, user=None, range=asked)

    assert (answer.status, answer.headers.get("Content-Range")) == (status, told)
    assert answer.body == body or status == 416


def test_an_empty_file_is_a_file(call: Call, task_id: str) -> None:
    answer = call("GET", _keep(task_id, "none.txt", b"", "text/plain"), user=None)
    assert (answer.status, answer.body) == (200, b"")


def test_head_tells_the_length(call: Call, shot: str) -> None:
    answer = call("HEAD", shot, user=None, range="bytes=0-1")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(png(8, 4)))


def test_large_files_are_streamed(call: Call, task_id: str) -> None:
    data = io.BytesIO(bytes(range(256)) * 4096).getvalue()
    answer = call("GET", _keep(task_id, "large.bin", data, "application/zip"), user=None)
    assert answer.body == data


def test_a_file_whose_bytes_are_lost_is_none(call: Call, shot: str, artifact_folder: Path) -> None:
    for file in artifact_folder.rglob("*"):
        if file.is_file():
            file.unlink()

    assert call("GET", shot, user=None).json["code"] == "file_not_found"


def test_a_forged_address_costs_no_query(call: Call, task_id: str) -> None:
    with CaptureQueriesContext(connection) as asked:
        call("GET", f"/static/results/{task_id}/x?exp=9999999999&sig=x", user=None)
    assert len(asked) <= 1  # whether there is any key, once
