"""A tool that breaks: what its caller is told, and what staff see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client

from orchestration.dialects.webhook import CALLBACKS, webhook_body
from orchestration.models import Run, RunEvent
from orchestration.selectors.told import job_told
from taskmapr.core.errors import ToolError
from taskmapr.core.tools import ToolContext, ToolRegistry, tool
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Answer
from tests.orchestration.conftest import StartRun
from tests.orchestration.intents.conftest import Call, Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.req("IN-28")]

WORD = "marigold"
_SCHEMA = {"type": "object", "properties": {}}


def _break() -> None:
    raise RuntimeError(f"cannot find {WORD}")


@pytest.fixture(params=["reading", "writing", "at once", "later"])
def broken(
    request: pytest.FixtureRequest,
    registry: ToolRegistry,
    orchestrate: Call,
    call: Call,
    start: StartRun,
    worker: Worker,
) -> Answer:
    """The answer to an intent whose tool broke. "at once", "later": in the run's transaction, by
    the web process or by a worker."""
    has_effect = request.param != "reading"

    async def handler(ctx: ToolContext, args: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        _break()

    in_transaction = (lambda ctx, args: _break()) if request.param in {"at once", "later"} else None
    tool(
        "test.crash",
        summary="Breaks.",
        input_schema=_SCHEMA,
        into=registry,
        has_effect=has_effect,
        danger="write" if has_effect else "read",
        in_transaction=in_transaction,
    )(handler)
    if request.param != "later":
        return orchestrate("test.crash")
    given = {"intent": "test.crash", "target": "test.crash", "inputs": {}, "context": {}}
    run = start(kind="intent", session_id=None, subject="test.crash", mode="agent", input=given)
    async_to_sync(worker.carry)(run.pk)
    return call("GET", f"/jobs/job_{run.pk.hex}")


def stored(run: Run) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(data::text, ' ') FROM agent_run_events WHERE run_id = %s", [run.pk]
        )
        return str(cursor.fetchone()[0])


def test_callers_are_told_nothing_of_it(broken: Answer, call: Call) -> None:
    run = Run.objects.get()
    job_id = broken.json["job_id"]
    asked = [call("GET", f"/jobs/{job_id}{end}").body for end in ("", "/stream")]
    told = job_told(run.pk)
    callback = webhook_body(
        noun=CALLBACKS["intent"].noun, status=run.status, at=run.finished_at, data=told
    )

    assert (run.status, run.error_code) == ("failed", "tool_failed")
    assert told["error"]["message"] == "Tool failed"
    for body in (broken.body, *asked, callback):
        for hidden in (WORD, "_break", "RuntimeError", "crashed", "test_crashes"):
            assert hidden.encode() not in body


def test_staff_see_where_it_broke_and_not_the_words_of_a_sealed_run(
    broken: Answer, client: Client
) -> None:
    run = Run.objects.get()
    root = User.objects.create_superuser("root@example.org", "a long password")
    client.force_login(root)

    body = client.get(f"/admin/orchestration/run/{run.pk}/change/").content.decode()

    assert "Where tools broke" in body
    assert "test.crash" in body
    assert "RuntimeError" in body
    assert "in _break" in body
    assert WORD not in body


def test_it_is_one_event_before_the_end_of_the_call(broken: Answer) -> None:
    run = Run.objects.get()
    kinds = list(RunEvent.objects.filter(run_id=run.pk).order_by("seq").values_list("kind"))

    at = kinds.index(("tool.crashed",))
    assert kinds.count(("tool.crashed",)) == 1
    assert kinds[at + 1] == ("tool.completed",)
    assert WORD not in stored(run)
    assert "in _break" in stored(run)


@pytest.mark.req("IN-28", "VB-79")
@pytest.mark.parametrize("where", ["a worker", "at once"])
def test_what_a_refusal_quotes_is_for_the_owner_alone(
    registry: ToolRegistry,
    orchestrate: Call,
    call: Call,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    def refuse() -> None:
        raise ToolError("nothing_found", f"There is nothing about {WORD}.", 404)

    async def handler(ctx: ToolContext, args: dict[str, Any]) -> None:
        refuse()

    at_once = (lambda ctx, args: refuse()) if where == "at once" else None
    tool(
        "test.refuse",
        summary="Refuses.",
        input_schema=_SCHEMA,
        into=registry,
        danger="read",
        in_transaction=at_once,
    )(handler)

    answer = orchestrate("test.refuse")

    run = Run.objects.get()
    shown = call("GET", f"/jobs/{answer.json['job_id']}").json["error"]
    assert (answer.status, answer.json["code"]) == (404, "nothing_found")
    assert answer.json["message"] == shown["message"] == f"There is nothing about {WORD}."
    assert WORD not in stored(run) + run.error_message + caplog.text
    assert run.error_code == "nothing_found"
