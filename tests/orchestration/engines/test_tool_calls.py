from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.test import Client

from orchestration.engines.tool_calls import ToolCaller
from orchestration.execution.drive import HeldRun
from orchestration.log.store import events_after
from orchestration.models import Approval, Effect, Run
from orchestration.services.pausing import approval_resolve
from taskmapr.core.errors import ToolDenied
from taskmapr.core.events import ModelResponded
from taskmapr.core.ports import ToolCallRequest
from taskmapr.core.tools import ToolContext, ToolRegistry, ToolSpec, tool
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry, use_engine
from tests.orchestration.logs import assert_replay_equals_row, kinds

SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "password": {"type": "string"}},
    "required": ["to"],
    "additionalProperties": False,
}


class Post:
    """A tool that counts what it did, and the run that calls it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
        self.sent: list[str] = []
        self.outputs: list[str] = []
        self.failure: Exception | None = None
        self.run = run
        self._monkeypatch = monkeypatch

    def spec(self, **options: Any) -> ToolSpec:
        async def send(ctx: ToolContext, args: dict[str, Any]) -> Any:
            if self.failure is not None:
                raise self.failure
            self.sent.append(args["to"])
            return {"sent": len(self.sent)}

        options.setdefault("summary", "Send a letter.")
        return tool("post.send", input_schema=SCHEMA, into=ToolRegistry(), **options)(send)

    def call(self, spec: ToolSpec | None, arguments: str = '{"to": "ben"}') -> list[str]:
        """Drive one attempt: the model asks for the tool, and its call is carried out."""
        asked = {"call_id": "c1", "name": "post.send", "arguments": arguments}

        async def body(held: HeldRun) -> None:
            if not held.transcript.pending_calls:
                held.writer.append(ModelResponded(step=1, model="m", duration_ms=1, calls=[asked]))
            caller = ToolCaller(held, lambda call_id: _context(held, call_id))
            self.outputs.append(await caller(ToolCallRequest(**asked), spec))

        use_engine(self._monkeypatch, body)
        async_to_sync(run_carry)(self.run.pk)
        return kinds(refreshed(self.run))

    def completed(self) -> dict[str, Any]:
        found = [e for e in events_after(self.run.pk, 0) if e.kind == "tool.completed"]
        assert len(found) == 1
        return dict(found[0].data)


def _context(held: HeldRun, call_id: str) -> ToolContext:
    return ToolContext(
        run_id=str(held.run_id), call_id=call_id, user_id=str(held.claim.owner_id), session_id="s-1"
    )


@pytest.fixture
def post(start: StartRun, monkeypatch: pytest.MonkeyPatch) -> Post:
    return Post(monkeypatch, start())


def test_a_call_and_its_result_are_in_the_log(post: Post) -> None:
    told = post.call(post.spec())

    assert told[2:5] == ["model.responded", "tool.started", "tool.completed"]
    assert post.completed()["result"] == {"sent": 1}
    assert json.loads(post.outputs[0]) == {"sent": 1}
    assert_replay_equals_row(post.run)


@pytest.mark.req("OV-05")
@pytest.mark.parametrize("arguments", ["{}", '{"to": 1}', '{"to": "a", "x": 1}', "[]", "no json"])
def test_bad_arguments_are_a_tool_error_and_nothing_is_done(post: Post, arguments: str) -> None:
    post.call(post.spec(has_effect=True), arguments)

    assert post.completed()["ok"] is False
    assert "error" in json.loads(post.outputs[0])
    assert post.sent == []
    assert not Effect.objects.exists()
    assert refreshed(post.run).status == "succeeded"


def test_a_tool_that_was_not_offered_is_a_tool_error(post: Post) -> None:
    post.call(None)

    assert post.completed()["error"] == "There is no tool post.send."


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ToolDenied("Not on this page."), "Not on this page."),
        (RuntimeError("secret detail"), "The tool failed unexpectedly."),
    ],
)
def test_a_tool_that_fails_does_not_break_the_run(
    post: Post, failure: Exception, told: str
) -> None:
    post.failure = failure

    post.call(post.spec())

    assert (post.completed()["ok"], post.completed()["error"]) == (False, told)
    assert refreshed(post.run).status == "succeeded"


@pytest.mark.req("IN-28")
def test_what_a_tool_did_not_foresee_is_kept_for_staff(post: Post, client: Client) -> None:
    post.failure = RuntimeError("secret detail")

    post.call(post.spec())

    (crash,) = [e.data for e in events_after(post.run.pk, 0) if e.kind == "tool.crashed"]
    assert (crash["exception"], crash["message"]) == (
        "RuntimeError",
        "RuntimeError: secret detail",
    )
    assert "secret detail" not in post.outputs[0]
    for permissions, is_told in ((["view_run"], False), (["view_run", "read_content"], True)):
        staff = User.objects.create_user(f"{is_told}@example.org", "a long password", is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(staff)
        body = client.get(f"/admin/orchestration/run/{post.run.pk}/change/").content.decode()
        assert "in send" in body
        assert ("secret detail" in body) is is_told


def test_a_tool_that_takes_too_long_is_given_up(post: Post) -> None:
    spec = post.spec(timeout_s=0.05)

    async def sleep(ctx: ToolContext, args: dict[str, Any]) -> Any:
        await asyncio.sleep(30)

    object.__setattr__(spec, "handler", sleep)
    post.call(spec)

    assert post.completed()["error"] == "The tool took longer than 0.05 s."


@pytest.mark.req("OV-15", "OV-18")
def test_secrets_in_arguments_are_not_shown(post: Post) -> None:
    post.call(post.spec(), '{"to": "ben", "password": "hunter2"}')

    (started,) = [e for e in events_after(post.run.pk, 0) if e.kind == "tool.started"]
    assert started.data["args"] == {"to": "ben", "password": "[redacted]"}


def test_an_effect_is_written_down_before_and_after(post: Post) -> None:
    post.call(post.spec(has_effect=True))

    effect = Effect.objects.get()
    assert (effect.status, effect.call_id, effect.tool) == ("done", "c1", "post.send")
    assert effect.receipt == {"ok": True, "result": {"sent": 1}, "error": None}


@pytest.mark.req("OV-35")
@pytest.mark.parametrize(
    ("options", "decision", "sent"),
    [
        ({"needs_approval": True}, "approved", ["ben"]),
        ({"danger": "dangerous", "has_effect": True}, "approved", ["ben"]),
        ({"needs_approval": True}, "denied", []),
    ],
)
def test_a_call_that_needs_leave_waits_for_it(
    post: Post, options: dict[str, Any], decision: Any, sent: list[str]
) -> None:
    spec = post.spec(**options)

    told = post.call(spec)
    assert told[-2:] == ["approval.requested", "run.paused"]
    assert (refreshed(post.run).status, post.sent, post.outputs) == ("paused", [], [])

    approval_resolve(approval_id=Approval.objects.get().pk, decision=decision, by="ada")
    told = post.call(spec)

    assert post.sent == sent
    assert told.count("tool.started") == 1
    assert post.completed()["ok"] is bool(sent)
    assert refreshed(post.run).status == "succeeded"
    assert_replay_equals_row(post.run)


@pytest.mark.parametrize(
    ("decision", "sent", "ok"),
    [("happened", [], True), ("not_happened", ["ben"], True), ("expired", [], False)],
)
def test_an_effect_of_unknown_outcome_is_asked_about_and_never_just_repeated(
    post: Post, decision: Any, sent: list[str], ok: bool
) -> None:
    # A lost attempt began this effect and nobody knows more.
    fingerprint = "b" * 64
    Effect.objects.create(
        run=post.run, call_id="c1", tool="post.send", fingerprint=fingerprint, lease_token=0
    )
    spec = post.spec(has_effect=True)

    told = post.call(spec)
    assert told[-2:] == ["approval.requested", "run.paused"]
    assert post.sent == []
    approval = Approval.objects.get()
    assert approval.asks == "outcome"

    approval_resolve(approval_id=approval.pk, decision=decision, by="ada")
    post.call(spec)

    assert (post.sent, post.completed()["ok"]) == (sent, ok)


def test_a_settled_effect_is_answered_from_its_receipt(post: Post) -> None:
    from django.utils import timezone

    Effect.objects.create(
        run=post.run,
        call_id="c1",
        tool="post.send",
        fingerprint="b" * 64,
        lease_token=0,
        status="done",
        settled_at=timezone.now(),
        receipt={"ok": True, "result": {"sent": 41}, "error": None},
    )

    post.call(post.spec(has_effect=True))

    assert post.sent == []
    assert (post.completed()["replayed"], post.completed()["result"]) == (True, {"sent": 41})
