"""/admin/orchestration/run/figures/: intents and tasks in numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from orchestration.models import Run
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User

PAGE = "/admin/orchestration/run/figures/"

pytestmark = [pytest.mark.django_db, pytest.mark.req("IN-39")]

Make = Callable[..., Run]


@pytest.fixture
def job(finished: Make) -> Make:
    """An intent that went well, unless told otherwise."""

    def make(subject: str = "memory.write", **changes: Any) -> Run:
        given = {"kind": "intent", "mode": "agent", "subject": subject, "attempt": 1, "model": ""}
        none = {"input_tokens": 0, "output_tokens": 0, "session_id": "s"}
        return finished(**{**given, **none, **changes})

    return make


def shown(client: Client, **asked: str) -> dict[str, Any]:
    answer = client.get(PAGE, asked)
    assert answer.status_code == 200
    context: dict[str, Any] = answer.context
    return context


def table(client: Client, by: str, **asked: str) -> dict[str, Any]:
    (found,) = (t for t in shown(client, **asked)["tables"] if t["name"] == by)
    return {row["name"]: row for row in found["rows"]}


def test_figures_of_all_are_those_of_the_runs(admin_client: Client, job: Make) -> None:
    for duration in range(100, 10_100, 100):
        job(duration_ms=duration, cost_usd_micros=1_000)
    job(status="failed", duration_ms=None, attempt=3)
    job(kind="task", subject="test_task", mode="", status="timed_out", duration_ms=None, attempt=2)
    job(status="cancelled", duration_ms=None)
    job(status="running", duration_ms=None, finished_at=None)
    job(kind="overlay", subject="")

    page = shown(admin_client)

    whole = page["whole"]
    ends = (whole.calls, whole.succeeded, whole.failed, whole.timed_out, whole.cancelled)
    assert ends == (104, 100, 1, 1, 1)
    assert whole.still_open == 1
    assert (whole.duration.p50, whole.duration.p95, whole.duration.p99) == (5050, 9505, 9901)
    assert (whole.retries, page["rate"], page["cost"]) == (3, "98.0 %", "$ 0.1000")


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("tool", "memory.write"),
        ("provider", "memory"),
        ("mode", "agent"),
        ("user", "ada@example.org"),
    ],
)
def test_each_table_has_every_figure(
    admin_client: Client, job: Make, cyd: User, ada: User, by: str, name: str
) -> None:
    for duration, attempt in ((100, 1), (300, 2), (500, 4)):
        job(duration_ms=duration, attempt=attempt, cost_usd_micros=500_000)
    job(status="failed", duration_ms=700)
    job("gmail.triage", mode="flow", owner=cyd, duration_ms=9_000)

    line = table(admin_client, by)[name]

    row = line["row"]
    assert (row.calls, line["rate"], row.retries, line["cost"]) == (4, "75.0 %", 4, "$ 1.5000")
    assert (row.duration.p50, row.duration.p95, row.duration.p99) == (400, 670, 694)


def test_providers_are_what_tools_belong_to(admin_client: Client, job: Make) -> None:
    job("mcp.files.read", mode="mcp")
    job("mcp:files/list", mode="mcp")
    job("find", mode="mcp")
    job("gmail.triage", mode="flow")
    job("test_task", kind="task", mode="")

    counts = {name: line["row"].calls for name, line in table(admin_client, "provider").items()}

    assert counts == {"mcp:files": 2, "mcp": 1, "gmail": 1, "task": 1}


def test_a_cost_that_nobody_knows_is_not_nothing(admin_client: Client, job: Make) -> None:
    job(cost_usd_micros=None, input_tokens=5)
    job("my.operation", cost_usd_micros=None)

    lines = table(admin_client, "tool")

    assert lines["memory.write"]["cost"] == "unknown"
    assert lines["memory.write"]["row"].unpriced == 1
    assert lines["my.operation"]["cost"] == "\u2013"


@pytest.mark.parametrize(
    ("window", "age", "periods"),
    [("1h", 0.8, 30), ("24h", 20, 24), ("7d", 24 * 6, 28), ("30d", 24 * 28, 30)],
)
def test_the_window_is_chosen(
    admin_client: Client, job: Make, window: str, age: float, periods: int
) -> None:
    job()
    for hours in (age, 24 * 40):
        at = datetime.now(UTC) - timedelta(hours=hours)
        job(pk=uuid7(int(at.timestamp() * 1000)), created_at=at)

    page = shown(admin_client, window=window)

    bars = page["charts"][0]
    assert page["whole"].calls == 2
    assert [row[1] for row in bars.rows if row[1] != "0"] == ["1", "1"]
    assert len(bars.rows) == periods


def test_intents_and_tasks_can_be_told_apart(admin_client: Client, job: Make) -> None:
    job()
    job("test_task", kind="task", mode="")

    assert set(table(admin_client, "tool", kind="intent")) == {"memory.write"}
    assert set(table(admin_client, "tool", kind="task")) == {"test_task"}
    assert shown(admin_client, kind="overlay")["whole"].calls == 2


@pytest.mark.parametrize("by", ["tool", "mode", "user"])
def test_names_lead_to_the_runs_that_were_counted(
    admin_client: Client, job: Make, cyd: User, by: str
) -> None:
    run, other = job(), job("gmail.triage", mode="flow", owner=cyd)
    (url, *_) = (line["url"] for line in table(admin_client, by).values() if line["name"] in NAMES)

    listed = admin_client.get(url).content.decode()

    assert f"{run.pk}/change" in listed
    assert f"{other.pk}/change" not in listed


NAMES = {"memory.write", "agent", "ada@example.org"}


def test_asks_no_more_for_many_names_than_for_one(
    supporter: Client, job: Make, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(30):
        job(f"tool{number}.act")
    supporter.get(PAGE)

    asked: CaptureQueriesContext
    with django_assert_max_num_queries(12) as asked:
        lines = table(supporter, "tool")

    assert len(lines) == 20
    assert sum("percentile_cont" in query["sql"] for query in asked) == 5


def test_says_what_to_do_when_there_is_nothing(supporter: Client) -> None:
    assert "Nobody asked for any" in supporter.get(PAGE).content.decode()


def test_who_sees_runs_sees_it_and_others_do_not(
    client: Client, supporter: Client, ada: User
) -> None:
    assert supporter.get(PAGE).status_code == 200
    assert PAGE in supporter.get("/admin/").content.decode()

    ada.is_staff = True
    ada.save()
    client.force_login(ada)
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()
