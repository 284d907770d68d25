"""/admin/agents_cfg/tool/<id>/test/: what does this tool answer? And the list's figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents_cfg.models import McpServer, Tool
from orchestration.admin.argument_forms import ArgumentsForm
from orchestration.models import Run, ToolTrial
from orchestration.selectors.tool_calls import tool_calls_forget
from orchestration.services.leases import Claim
from taskmapr.core import events as ev
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.logs import write

TOOLS = "/admin/agents_cfg/tool/"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "What to say.", "default": "hello"},
        "times": {"type": "integer", "minimum": 1},
        "share": {"type": "number"},
        "loud": {"type": "boolean"},
        "tone": {"enum": ["kind", "stern"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object"},
        "note": {"type": ["string", "null"]},
    },
    "required": ["text"],
    "additionalProperties": False,
}


@pytest.fixture
def own(db: None) -> Tool:
    server = McpServer.objects.create(name="shop", url="http://x.local/mcp")
    return Tool.objects.create(
        name="mcp:shop.say",
        server=server,
        remote_name="say",
        summary="Says.",
        danger="read",
        is_enabled=True,
        input_schema=SCHEMA,
    )


def page(row: Tool) -> str:
    return f"{TOOLS}{row.pk}/test/"


def given(**changes: str) -> dict[str, str]:
    return {f"arg-{name}": value for name, value in {"text": "hi", **changes}.items()}


async def _nothing(context: ToolContext, args: dict[str, Any]) -> None:
    """Never called."""


def form_of(schema: dict[str, Any], data: dict[str, str]) -> ArgumentsForm:
    spec = ToolSpec(name="shop.say", summary="", input_schema=schema, handler=_nothing)
    return ArgumentsForm(spec.input_schema, spec.check, data)


@pytest.mark.req("OV-72")
def test_every_kind_of_argument_becomes_what_the_schema_wants() -> None:
    form = form_of(
        SCHEMA,
        given(
            times="3",
            share="0.5",
            loud="false",
            tone='"stern"',
            tags="one\n\n two ",
            extra='{"a": [1]}',
            note="[no JSON",
        ),
    )

    assert form.is_valid()
    assert form.arguments == {
        "text": "hi",
        "times": 3,
        "share": 0.5,
        "loud": False,
        "tone": "stern",
        "tags": ["one", "two"],
        "extra": {"a": [1]},
        "note": "[no JSON",
    }


def test_what_is_left_empty_is_not_given() -> None:
    form = form_of(SCHEMA, given(times="", loud="", tone="", tags="", extra="", note=""))

    assert form.is_valid()
    assert form.arguments == {"text": "hi"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": ""}, "text"),
        ({"times": "0"}, "times"),
        ({"times": "many"}, "times"),
        ({"extra": "{"}, "extra"),
        ({"extra": "[]"}, "extra"),
        ({"tone": '"loud"'}, "tone"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(changes: dict[str, str], field: str) -> None:
    form = form_of(SCHEMA, given(**changes))

    assert not form.is_valid()
    assert list(form.errors) == [field]


@pytest.mark.parametrize(
    "member",
    [True, {}, {"type": ["string", "null"]}, {"anyOf": [{"type": "string"}]}, {"enum": []}],
)
def test_schemas_of_any_shape_have_a_form(member: Any) -> None:
    form = form_of({"type": "object", "properties": {"odd name!": member}}, {})

    assert form.is_valid()
    assert "odd name!" in form.as_p()


def test_a_great_many_arguments_are_given_as_json() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(100)}}

    form = form_of(schema, {"arg-arguments": '{"p7": "x"}'})

    assert form.is_valid()
    assert form.arguments == {"p7": "x"}
    assert not form_of(schema, {"arg-arguments": '{"p7": 1}'}).is_valid()


@pytest.mark.req("OV-72")
def test_asking_waits_for_a_worker_and_is_audited(
    admin_client: Client, own: Tool, queue: RecordingQueue
) -> None:
    shown = admin_client.get(page(own)).content.decode()
    assert 'name="arg-text" value="hello"' in shown
    assert "What to say." in shown

    answer = admin_client.post(page(own), given(), follow=True)

    trial = ToolTrial.objects.get()
    assert (trial.status, trial.args) == ("waiting", {"text": "hi"})
    assert queue.jobs[0][1] == (str(trial.pk),)
    assert "data-tm-refresh" in answer.content.decode()
    assert LogEntry.objects.get().change_message == "tested"


def test_a_refused_form_asks_nobody(admin_client: Client, own: Tool, queue: RecordingQueue) -> None:
    answer = admin_client.post(page(own), given(times="0"))

    assert answer.status_code == 200
    assert "less than the minimum" in answer.content.decode()
    assert not ToolTrial.objects.exists()
    assert queue.jobs == []


@pytest.mark.req("OV-72")
def test_shows_result_and_time(admin_client: Client, own: Tool, admin_user: User) -> None:
    ToolTrial.objects.create(
        tool=own,
        user=admin_user,
        status="succeeded",
        result='"<b>hello</b>"',
        duration_ms=42,
        finished_at=datetime.now(UTC),
    )

    body = admin_client.get(page(own)).content.decode()

    assert "&lt;b&gt;hello" in body
    assert "42 ms" in body
    assert "data-tm-refresh" not in body


def test_a_test_that_nobody_took_is_given_up(
    admin_client: Client, own: Tool, admin_user: User
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    ToolTrial.objects.create(tool=own, user=admin_user, created_at=long_ago)

    assert "No worker took this test" in admin_client.get(page(own)).content.decode()


@pytest.mark.req("OV-72")
def test_a_tool_that_writes_has_no_form(
    admin_client: Client, own: Tool, queue: RecordingQueue
) -> None:
    Tool.objects.update(danger="write")

    body = admin_client.get(page(own)).content.decode()
    admin_client.post(page(own), given())

    assert "Only tools that read" in body
    assert "Call it now" not in body
    assert not ToolTrial.objects.exists()


@pytest.mark.req("OV-72")
def test_it_needs_the_permission_to_change_tools(
    client: Client, own: Tool, queue: RecordingQueue
) -> None:
    user = User.objects.create_user("watcher@example.org", "a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_tool"))
    client.force_login(user)

    assert client.get(page(own)).status_code == 403
    assert client.post(page(own), given()).status_code == 403
    assert "Test this tool" not in client.get(f"{TOOLS}{own.pk}/change/").content.decode()
    user.user_permissions.add(Permission.objects.get(codename="change_tool"))
    assert client.get(page(own)).status_code == 200
    assert "Test this tool" in client.get(f"{TOOLS}{own.pk}/change/").content.decode()
    assert not ToolTrial.objects.exists()


@pytest.mark.req("OV-72")
def test_the_list_counts_calls_and_failures_once_a_minute(
    admin_client: Client, own: Tool, start: Callable[..., Run], hold: Callable[[UUID], Claim]
) -> None:
    tool_calls_forget()
    ends = [
        ev.ToolCompleted(call_id=str(n), tool=own.name, ok=n > 0, error="no", duration_ms=1)
        for n in range(3)
    ]
    calls = [ev.ToolStarted(call_id=end.call_id, tool=own.name, args={}) for end in ends]
    write(hold(start().pk), *(event for pair in zip(calls, ends, strict=True) for event in pair))

    listed = admin_client.get(TOOLS).content.decode()

    assert 'data-status="failed">1 failed</span>' in listed
    assert "<span>3</span>" in listed
    with CaptureQueriesContext(connection) as again:
        admin_client.get(TOOLS)
    assert not [query for query in again if "agent_run_events" in query["sql"]]


def test_unknown_tools_are_not_found(admin_client: Client) -> None:
    assert admin_client.get(f"{TOOLS}999/test/").status_code == 404
