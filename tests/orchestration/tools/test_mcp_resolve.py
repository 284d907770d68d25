from __future__ import annotations

import pytest

from agents_cfg.models import McpServer, Tool
from agents_cfg.selectors.tools import KnownTools
from orchestration.tools.mcp_intents import mcp_resolve, mcp_servers_listed, mcp_tools_listed
from taskmapr.core.errors import AmbiguousIntent, ToolNotAllowed, UnknownIntent


def known(**servers: list[str]) -> KnownTools:
    rows, tools = [], []
    for pk, (name, names) in enumerate(servers.items(), 1):
        server = McpServer(pk=pk, name=name.replace("_", "-"), state="available")
        rows.append(server)
        tools += [
            Tool(name=f"mcp:{server.name}.{tool}", server=server, remote_name=tool, danger="read")
            for tool in names
        ]
    return KnownTools(of_registry={}, of_servers=tuple(tools), servers=tuple(rows))


BOTH = known(docs=["search", "Odd.Name-1"], web_shop=["search", "find"])


@pytest.mark.req("IN-26")
@pytest.mark.parametrize(
    ("intent", "name"),
    [
        ("mcp.docs.search", "mcp:docs/search"),
        ("mcp:docs/search", "mcp:docs/search"),
        ("mcp:docs.search", "mcp:docs/search"),
        ("mcp.web-shop.search", "mcp:web-shop/search"),
        ("mcp.docs.Odd.Name-1", "mcp:docs/Odd.Name-1"),
        ("find", "mcp:web-shop/find"),
        ("mcp.tools", "mcp.tools"),
        ("mcp.servers", "mcp.servers"),
    ],
)
def test_finds_what_is_meant(intent: str, name: str) -> None:
    target = mcp_resolve(intent, BOTH)

    assert target is not None
    assert target.name == name
    assert mcp_resolve(target.name, BOTH) == target


@pytest.mark.req("IN-26")
def test_a_bare_name_of_several_servers_is_ambiguous() -> None:
    with pytest.raises(AmbiguousIntent) as refused:
        mcp_resolve("search", BOTH)

    assert refused.value.status == 409
    assert refused.value.details == {"choices": ["mcp:docs/search", "mcp:web-shop/search"]}


@pytest.mark.req("IN-26")
@pytest.mark.parametrize("intent", ["mcp.nosuch.search", "mcp:nosuch/search", "mcp.docs", "mcp:"])
def test_a_server_that_is_not_there_is_unknown(intent: str) -> None:
    with pytest.raises(UnknownIntent) as refused:
        mcp_resolve(intent, BOTH)

    # Which there are is not for everybody.
    assert "docs" not in f"{refused.value.detail} {refused.value.details}".replace(intent, "")


@pytest.mark.req("IN-06")
def test_only_choices_that_one_may_use_are_told() -> None:
    with pytest.raises(AmbiguousIntent) as refused:
        mcp_resolve("search", BOTH, lambda name: name.startswith("mcp:docs/"))
    assert refused.value.details == {"choices": ["mcp:docs/search"]}
    assert "web-shop" not in refused.value.detail

    with pytest.raises(AmbiguousIntent, match="name one in full") as refused:
        mcp_resolve("search", BOTH, lambda name: False)
    assert refused.value.details == {"choices": []}


@pytest.mark.req("IN-26")
def test_a_tool_off_the_list_is_not_allowed() -> None:
    with pytest.raises(ToolNotAllowed) as refused:
        mcp_resolve("mcp:docs/wipe", BOTH)

    assert refused.value.status == 403


@pytest.mark.parametrize("intent", ["memory.write", "wipe", "mcpx.docs.search"])
def test_other_names_are_not_ours(intent: str) -> None:
    assert mcp_resolve(intent, BOTH) is None


@pytest.mark.req("IN-26")
def test_lists_tools_and_servers() -> None:
    tools = mcp_tools_listed(BOTH)

    assert tools["count"] == 4
    assert [tool["name"] for tool in tools["tools"]] == [
        "mcp:docs/Odd.Name-1",
        "mcp:docs/search",
        "mcp:web-shop/find",
        "mcp:web-shop/search",
    ]
    assert set(tools["tools"][0]) >= {"server", "tool", "description", "inputs_schema", "danger"}
    servers = mcp_servers_listed(BOTH)["servers"]
    assert [(s["name"], s["state"], s["tools"]) for s in servers] == [
        ("docs", "available", 2),
        ("web-shop", "available", 2),
    ]
