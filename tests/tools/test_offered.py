"""Which tools a profile's runs are offered, and what the model is told of the others."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents_cfg.models import McpServer, OverlayProfile, Tool
from agents_cfg.selectors.fresh import fresh
from agents_cfg.selectors.profiles import profiles_forget
from agents_cfg.services.tools import registry_tools_write
from orchestration.services.tool_servers import mcp_servers_check
from orchestration.tools import offered
from orchestration.tools.offered import tools_offered, tools_without_database
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput
from taskmapr.core.ports import ToolServerReport
from taskmapr.core.tools import ToolContext, registry

pytestmark = pytest.mark.django_db
CONTEXT = ToolContext(run_id="r-1", call_id="c-1", user_id="ada", session_id="s-1")
ARGS = {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}


class Called:
    """ToolServers that keeps what it is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, Any], dict[str, Any] | None]] = []

    async def call(self, address: Any, tool: str, arguments: Any, *, meta: Any = None) -> Any:
        self.calls.append((address.name, tool, arguments, meta))
        return "done"

    async def check(self, addresses: Any, *, at_once: Any = ()) -> list[ToolServerReport]:
        return []


@pytest.fixture(autouse=True)
def called() -> Iterator[Called]:
    real, called = wired.ports(), Called()
    wired.wire(replace(real, tool_servers=lambda: called))
    fresh.clear()
    yield called
    fresh.clear()
    wired.wire(real)


@pytest.fixture
def shop() -> McpServer:
    return McpServer.objects.create(name="shop", url="http://x.local/mcp", state="available")


def tool(server: McpServer, name: str, **changes: Any) -> Tool:
    given = {"danger": "read", "is_enabled": True, "input_schema": ARGS, "summary": "Does."}
    return Tool.objects.create(
        name=f"mcp:{server.name}.{name}", server=server, remote_name=name, **{**given, **changes}
    )


def names(profile: OverlayProfile | None = None) -> set[str]:
    profiles_forget()
    found = tools_offered(profile or OverlayProfile(name="p", tools=[])).tools
    return {spec.name for spec in found}


@pytest.mark.req("OV-40", "OV-43")
def test_only_allowed_tools_of_servers_that_the_profile_names(shop: McpServer) -> None:
    other = McpServer.objects.create(name="other", url="http://y.local/mcp", state="available")
    tool(shop, "find")
    tool(shop, "hidden", is_enabled=False)
    tool(shop, "broken", problem="its schema is none")
    tool(shop, "gone", is_present=False)
    tool(other, "find")

    assert names() == {"mcp:shop.find", "mcp:other.find"}
    assert names(OverlayProfile(tools=[], mcp_servers=["shop"])) == {"mcp:shop.find"}
    assert names(OverlayProfile(tools=[], mcp_servers=[])) == set()
    McpServer.objects.update(is_enabled=False)
    assert names() == set()


@pytest.mark.req("OV-35", "OV-40")
@pytest.mark.parametrize("danger", ["write", "dangerous"])
def test_what_does_more_than_read_must_be_named_by_the_profile(
    shop: McpServer, danger: str
) -> None:
    tool(shop, "change", danger=danger, has_effect=True)

    assert names() == set()
    named = OverlayProfile(tools=["mcp:shop.change"])
    assert names(named) == {"mcp:shop.change"}
    (spec,) = tools_offered(named).tools
    assert (spec.danger, spec.has_effect, spec.timeout_s) == (danger, True, 60.0)
    assert tools_without_database(named).tools == []


@pytest.mark.req("OV-44")
def test_the_model_is_told_which_servers_are_away(shop: McpServer) -> None:
    tool(shop, "find")
    McpServer.objects.update(state="unavailable")
    profiles_forget()

    told = tools_offered(OverlayProfile(tools=[]))

    assert told.tools == []
    assert told.missing == ("the tools of shop",)
    assert tools_offered(OverlayProfile(tools=[], mcp_servers=["other"])).missing == ()


@pytest.mark.req("OV-45")
def test_the_user_is_set_by_the_server_and_hidden_from_the_model(
    shop: McpServer, called: Called
) -> None:
    schema = {
        "type": "object",
        "properties": {"user_id": {"type": "string"}, "what": {"type": "string"}},
        "required": ["user_id", "what"],
        "additionalProperties": False,
    }
    tool(shop, "mine", inject_user_id=True, input_schema=schema)
    profiles_forget()
    (spec,) = tools_offered(OverlayProfile(tools=[])).tools

    assert spec.input_schema["properties"] == {"what": {"type": "string"}}
    assert spec.input_schema["required"] == ["what"]
    forged = {"what": "orders", "user_id": "ben"}
    spec.check(forged)
    assert async_to_sync(spec.handler)(CONTEXT, forged) == "done"
    trusted = {
        "taskmapr/user_id": "ada",
        "taskmapr/session_id": "s-1",
        "taskmapr/run_id": "r-1",
    }
    assert called.calls == [("shop", "mine", {"what": "orders", "user_id": "ada"}, trusted)]


@pytest.mark.req("OV-43")
@pytest.mark.parametrize(
    "row",
    [
        {"input_schema": {}},
        {"input_schema": []},
        {"input_schema": {"type": "object", "properties": []}, "inject_user_id": True},
        {"timeout_s": 601},
    ],
)
def test_a_row_that_makes_no_tool_costs_only_this_tool(
    shop: McpServer, row: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    tool(shop, "find")
    tool(shop, "odd", **row)
    tool(shop, "secret", danger="write", **row)

    offer = tools_offered(OverlayProfile(name="p", tools=[]))

    assert [spec.name for spec in offer.tools] == ["mcp:shop.find"]
    assert offer.missing == ("the tool mcp:shop.odd",)
    assert "tool mcp:shop.odd is not offered" in caplog.text
    assert tools_offered(OverlayProfile(name="p", tools=[], mcp_servers=[])).missing == ()


@pytest.mark.req("OV-43")
def test_a_schema_without_properties_can_have_the_user_set(shop: McpServer) -> None:
    tool(shop, "find", inject_user_id=True, input_schema={"type": "object"})

    (spec,) = tools_offered(OverlayProfile(name="p", tools=[])).tools

    assert spec.input_schema["properties"] == {}


@pytest.mark.req("OV-45")
def test_a_server_that_was_not_marked_learns_nothing_of_the_user(
    shop: McpServer, called: Called
) -> None:
    tool(shop, "find")
    profiles_forget()
    (spec,) = tools_offered(OverlayProfile(tools=[])).tools

    async_to_sync(spec.handler)(CONTEXT, {"what": "x"})

    assert called.calls == [("shop", "find", {"what": "x"}, None)]


@pytest.mark.req("OV-05")
def test_names_are_spelled_for_models_and_never_meet(shop: McpServer) -> None:
    for name in ("find.order", "find_order", "Find-Order", "x" * 100):
        tool(shop, name)
    profiles_forget()

    found = tools_offered(OverlayProfile(tools=[]))

    spelled = {spec.name: spec.model_name for spec in found.tools}
    assert spelled["mcp:shop.find.order"] == "mcp_shop_find_order"
    assert spelled["mcp:shop.Find-Order"] == "mcp_shop_Find-Order"
    assert spelled["mcp:shop.find_order"].startswith("mcp_shop_find_order_")
    assert len(spelled[f"mcp:shop.{'x' * 100}"]) == 64
    assert len(set(spelled.values())) == 4
    for name, model_name in spelled.items():
        assert found.get(model_name) is found.get(name)
    assert found.get("mcp_shop_other") is None


@pytest.mark.req("OV-05", "OV-72")
def test_what_operators_say_about_the_registrys_tools_holds() -> None:
    registry_tools_write()
    profile = OverlayProfile(tools=["ui.navigate", "ui.highlight"])
    assert names(profile) == {"ui.navigate", "ui.highlight"}
    assert tools_offered(profile).tools[0] is registry.get("ui.highlight")

    Tool.objects.filter(name="ui.navigate").update(is_enabled=False)
    Tool.objects.filter(name="ui.highlight").update(needs_approval=True, timeout_s=3)

    assert names(profile) == {"ui.highlight"}
    (spec,) = tools_offered(profile).tools
    assert (spec.needs_approval, spec.timeout_s) == (True, 3.0)
    assert names() == set()


def test_tools_stay_the_same_objects_while_nothing_changes(shop: McpServer) -> None:
    tool(shop, "find")
    profiles_forget()
    first = tools_offered(OverlayProfile(tools=[])).tools
    profiles_forget()
    second = tools_offered(OverlayProfile(tools=[])).tools

    assert first[0] is second[0]


def test_a_schema_that_refers_elsewhere_is_never_fetched(shop: McpServer) -> None:
    schema = {"type": "object", "properties": {"what": {"$ref": "http://127.0.0.1:9/schema"}}}
    tool(shop, "find", input_schema=schema)
    profiles_forget()
    (spec,) = tools_offered(OverlayProfile(tools=[])).tools

    with pytest.raises(InvalidInput, match="refers to something"):
        spec.check({"what": "x"})


@pytest.mark.req("OV-63")
@pytest.mark.parametrize("forgets", [False, True], ids=["after a run", "after a change here"])
def test_what_was_switched_off_stays_off_while_postgres_is_away(
    shop: McpServer, forgets: bool
) -> None:
    registry_tools_write()
    tool(shop, "find")
    tool(shop, "hidden", is_enabled=False)
    Tool.objects.filter(name="ui.navigate").update(is_enabled=False)
    Tool.objects.filter(name="ui.scroll_to").update(needs_approval=True)
    profile = OverlayProfile(tools=["ui.*"])
    assert "ui.scroll_to" in names(profile)

    if forgets:
        profiles_forget()
    left = {spec.name for spec in tools_without_database(profile).tools}

    assert "ui.highlight" in left
    assert "mcp:shop.find" in left
    assert not left & {"ui.navigate", "ui.scroll_to", "mcp:shop.hidden"}


@pytest.mark.req("OV-63")
def test_a_worker_without_a_run_knows_from_its_chore(
    monkeypatch: pytest.MonkeyPatch, called: Called
) -> None:
    registry_tools_write()
    Tool.objects.filter(name="ui.navigate").update(is_enabled=False)
    monkeypatch.setattr(offered, "_last", None)
    fresh.clear()
    profile = OverlayProfile(tools=["ui.navigate"])
    assert [spec.name for spec in tools_without_database(profile).tools] == ["ui.navigate"]

    mcp_servers_check(submit=_at_once)

    assert tools_without_database(profile).tools == []


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(async_to_sync(_awaited)(coroutine))
    return future


async def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine
