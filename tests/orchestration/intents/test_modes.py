"""Intents that are carried out elsewhere: workflows, types of tasks, a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents_cfg.models import McpServer, Tool
from agents_cfg.selectors.fresh import fresh
from orchestration.models import FlowMapping, ModeRule, Run
from orchestration.selectors.task_types import catalogues
from taskmapr.core.task_types import TaskType, task_types
from taskmapr.core.tools import ToolContext, ToolRegistry, tool
from taskmapr.foundation.http import breakers
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import KeyBounds, api_key_issue
from tests.flowengine import Reply, playing
from tests.orchestration.intents.conftest import Call, Worker


@pytest.fixture(autouse=True)
def _no_circuits() -> Iterator[None]:
    breakers.forget()
    yield
    breakers.forget()


@pytest.fixture
def flow(send: Callable[..., Any], play: Callable[..., Any], worker: Worker, settings: Any) -> Call:
    """flow(reply, ..., intent=…) → (the answer, what the engine received)."""

    def ask(*replies: Reply, intent: str = "gmail.triage", **members: Any) -> Any:
        async def scene() -> Any:
            async with playing(*replies) as engine:
                settings.TASKMAPR = {**settings.TASKMAPR, "n8n_base": engine.base}
                body = {"intent": intent, "inputs": {"since": "24h"}, **members}
                answer = await send("POST", "/orchestrate", body)
                await worker.rest()
                return answer, engine.requests

        return play(scene)

    return ask


@pytest.mark.req("IN-13", "IN-22", "IN-23")
def test_the_usual_flows_go_to_the_engine(flow: Call) -> None:
    answer, requests = flow(Reply({"classified": 3}))

    assert answer.status == 200
    assert (answer.json["mode"], answer.json["result"]) == ("flow", {"classified": 3})
    (request,) = requests
    assert request.path.endswith("/gmail-triage")
    assert request.body["inputs"] == {"since": "24h"}
    assert request.body["job_id"] == answer.json["job_id"]
    run = Run.objects.get()
    assert (run.mode, run.status) == ("flow", "succeeded")


@pytest.mark.req("IN-05", "IN-30")
def test_a_flow_that_refuses_is_an_upstream_error(flow: Call) -> None:
    answer, _ = flow(Reply({"no": "way"}, status=400))

    assert (answer.status, answer.json["code"]) == (502, "upstream_error")
    assert (answer.json["mode"], answer.json["details"]["attempts"]) == ("flow", 1)


@pytest.mark.req("IN-30", "IN-09")
def test_attempts_are_counted_and_told(flow: Call, call: Call) -> None:
    answer, requests = flow(Reply({}, status=429), Reply({"ok": True}))

    assert answer.status == 200
    assert len(requests) == 2
    job = call("GET", f"/jobs/{answer.json['job_id']}").json
    assert job["attempts"] == 2


@pytest.mark.req("IN-24")
def test_without_an_engine_it_is_not_configured(orchestrate: Call, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "n8n_base": ""}

    answer = orchestrate("gmail.triage")

    assert (answer.status, answer.json["code"]) == (503, "not_configured")
    assert "N8N_WEBHOOK_BASE" in answer.json["error"]
    assert not Run.objects.exists()


@pytest.mark.req("IN-04")
def test_a_flow_that_answers_later_is_accepted_at_once(flow: Call) -> None:
    FlowMapping.objects.create(pattern="gmail.triage", engine="n8n", is_synchronous=False)
    fresh.clear()

    answer, _ = flow(Reply({"message": "Workflow was started"}))

    assert answer.status == 202
    assert Run.objects.get().status == "paused"


@pytest.mark.req("IN-13", "IN-48")
def test_a_rule_of_the_operators_chooses(orchestrate: Call, call: Call) -> None:
    ModeRule.objects.create(number=1, pattern="say.*", mode="agent", target="my.operation")
    fresh.clear()

    answer = orchestrate("say.something", {"param1": "hi"})

    assert answer.json["result"]["result"] == "hi"
    job = call("GET", f"/jobs/{answer.json['job_id']}").json
    assert job["mode_reason"] == "rule 1: say.*"


@pytest.mark.req("IN-02")
def test_a_rule_lends_nobody_the_permission_of_its_target(
    orchestrate: Call, registry: ToolRegistry
) -> None:
    calls = []

    @tool("test.guarded", into=registry, permission="orchestration.change_run")
    async def guarded() -> None:
        """Do what few may."""
        calls.append(1)

    ModeRule.objects.create(number=1, pattern="say.*", mode="agent", target="test.guarded")
    fresh.clear()

    refused = orchestrate("say.something")

    assert (refused.status, refused.json["code"]) == (403, "intent_forbidden")
    assert not calls
    assert not Run.objects.exists()


@pytest.mark.req("IN-37")
def test_a_rule_may_limit_calls(orchestrate: Call) -> None:
    ModeRule.objects.create(number=1, pattern="my.*", per_minute=1)
    fresh.clear()

    assert orchestrate("my.operation", {"param1": "a"}).status == 200
    refused = orchestrate("my.operation", {"param1": "b"})

    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1


@pytest.mark.req("IN-37")
def test_only_so_many_jobs_are_under_way(orchestrate: Call, worker: Any, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 0, "intent_jobs_at_once": 2}
    worker.is_away = True

    got = [orchestrate("my.operation", {"param1": str(n)}).status for n in range(3)]

    assert got == [202, 202, 429]
    assert Run.objects.count() == 2


@pytest.mark.req("IN-50")
def test_a_type_of_task_is_an_intent(orchestrate: Call, call: Call) -> None:
    listed = {line["name"]: line for line in call("GET", "/intents").json["intents"]}
    assert listed["task.test_task"]["modes"] == ["agent"]

    answer = orchestrate("task.test_task", {"message": "hello", "screenshot": True})

    assert answer.status == 200, answer.json
    result = answer.json["result"]
    (log,) = result["downloads"]
    (shot,) = result["screenshots"]
    assert (log["mime"], len(log["sha256"])) == ("text/plain", 64)
    assert log["size"] == len(call("GET", log["url"]).body)
    assert (shot["kind"], shot["width"], shot["height"]) == ("success", 320, 200)
    assert shot["timestamp"].endswith("Z")
    for file in (log, *result["screenshots"]):
        assert call("GET", file["url"]).status == 200
        assert call("GET", file["url"], user=None).status == 404
    assert b"step 3 of 3" in call("GET", log["url"]).body


@pytest.mark.req("IN-50")
def test_inputs_that_were_left_out_are_as_the_type_of_task_says(orchestrate: Call) -> None:
    schema = {"type": "object", "properties": {"site": {"type": "string", "default": "esc"}}}
    made = TaskType(name="told", handler=lambda params, ctx: dict(params), params_schema=schema)
    task_types.add(made)
    catalogues.forget()
    try:
        answer = orchestrate("task.told", {})
    finally:
        task_types.remove(["told"])
        catalogues.forget()

    assert answer.json["result"]["site"] == "esc"


@pytest.mark.req("IN-13")
def test_a_model_answers_a_prompt(orchestrate: Call, call: Call, settings: Any) -> None:
    # The first one in a process loads the agent loop.
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 25}
    answer = orchestrate("agent.ask", {"prompt": "say hello"})

    assert answer.status == 200, answer.json
    assert answer.json["mode"] == "agent"
    assert answer.json["result"]["text"]
    assert call("GET", f"/jobs/{answer.json['job_id']}").json["usage"]["total_tokens"] >= 0


@pytest.fixture
def dangerous(registry: ToolRegistry) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    @tool("test.wipe", into=registry, danger="dangerous")
    async def wipe(ctx: ToolContext, path: str, dry_run: bool = False) -> dict[str, bool]:
        """Wipe."""
        calls.append({"path": path, "dry_run": dry_run, "models": ctx.is_models_choice})
        return {"dry_run": dry_run}

    return calls


@pytest.mark.req("IN-13", "IN-S19")
def test_a_model_only_tries_what_is_dangerous(
    orchestrate: Call, dangerous: list[dict[str, Any]]
) -> None:
    prompt = 'call test.wipe {"path": "/"}'
    orchestrate("agent.ask", {"prompt": prompt, "tools": ["test.wipe"]})
    orchestrate("agent.ask", {"prompt": prompt})
    orchestrate("agent.ask", {"prompt": prompt, "tools": ["test.*"]})

    assert dangerous == [{"path": "/", "dry_run": True, "models": True}]


@pytest.mark.req("IN-08")
def test_intents_are_listed(call: Call) -> None:
    listed = call("GET", "/intents").json

    by_name = {line["name"]: line for line in listed["intents"]}
    assert listed["count"] == len(by_name)
    assert by_name["my.operation"] == {
        "name": "my.operation",
        "description": "Repeat a text.",
        "mode": "agent",
        "modes": ["agent"],
        "inputs_schema": by_name["my.operation"]["inputs_schema"],
        "danger": "read",
        "volatile": False,
        "cost": {"usd_micros": 0, "usd_micros_per_s": 0},
        "source": "tool",
    }
    assert "agent.ask" in by_name
    assert list(by_name) == sorted(by_name)


@pytest.mark.req("IN-08", "IN-26")
def test_a_name_that_means_several_things_spoils_no_list(call: Call, orchestrate: Call) -> None:
    """Two servers have a tool that is called like a mapped flow."""
    FlowMapping.objects.create(pattern="search", engine="n8n")
    _two_servers_that_search()

    answer = call("GET", "/intents")

    assert answer.status == 200
    by_name = {line["name"]: line["modes"] for line in answer.json["intents"]}
    assert by_name["search"] == ["flow"]
    assert by_name["mcp:docs/search"] == ["mcp"]
    assert orchestrate("search").json["code"] == "ambiguous_intent"


def _two_servers_that_search() -> None:
    for name in ("docs", "shop"):
        server = McpServer.objects.create(name=name, is_enabled=True)
        Tool.objects.create(
            name=f"mcp:{name}.search", server=server, remote_name="search", is_enabled=True
        )
    fresh.clear()


@pytest.mark.req("IN-06", "IN-26")
@pytest.mark.parametrize("intent", ["mcp.nosuch.search", "search"])
@pytest.mark.parametrize("mode", ["auto", "mcp"])
def test_servers_are_told_to_those_who_may_use_them(
    orchestrate: Call, ada: User, intent: str, mode: str
) -> None:
    _two_servers_that_search()
    bounds = KeyBounds(intents=("mcp:docs/*", "search"))
    key = api_key_issue(user_id=ada.pk, name="k", scopes=("intents:run",), bounds=bounds)

    limited = orchestrate(intent, mode=mode, user=None, x_api_key=key.text)
    every = orchestrate(intent, mode=mode)

    codes = {"mcp.nosuch.search": (404, "unknown_intent"), "search": (409, "ambiguous_intent")}
    assert (limited.status, limited.json["code"]) == codes[intent]
    assert "mcp:docs/search" in limited.json["error"]
    assert b"shop" not in limited.body
    assert "mcp:shop/search" in every.json["error"]


@pytest.mark.req("IN-15", "IN-03")
def test_memory_is_written_within_the_request(orchestrate: Call, worker: Any) -> None:
    worker.is_down = True

    answer = orchestrate("memory.write", {"text": "Hello World", "tags": ["test"]}, mode="agent")

    assert answer.status == 200, answer.json
    assert answer.json["result"]["status"] == "stored"
    again = orchestrate("memory.write", {"tags": ["test"], "text": "Hello World"})
    assert again.json == answer.json
    assert again.headers["Idempotency-Replayed"] == "true"
