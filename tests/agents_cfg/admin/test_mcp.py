"""MCP servers and tools in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import McpServer, Tool
from agents_cfg.services.tools import registry_tools_write
from taskmapr.core import wired
from taskmapr.users.models import User
from tests.fakes import RecordingQueue

pytestmark = pytest.mark.django_db

SERVERS = "/admin/agents_cfg/mcpserver/"
TOOLS = "/admin/agents_cfg/tool/"


@pytest.fixture(autouse=True)
def queue() -> Iterator[RecordingQueue]:
    real, queue = wired.ports(), RecordingQueue()
    wired.wire(replace(real, queue=queue))
    yield queue
    wired.wire(real)


@pytest.fixture
def shop() -> McpServer:
    return McpServer.objects.create(
        name="shop", url="https://shop.example.com/mcp", headers="Authorization: Bearer s3cret"
    )


def tool(server: McpServer, name: str = "find") -> Tool:
    return Tool.objects.create(name=f"mcp:{server.name}.{name}", server=server, remote_name=name)


def form(*tools: Tool, **changes: Any) -> dict[str, Any]:
    rows: dict[str, Any] = {"tools-TOTAL_FORMS": len(tools), "tools-INITIAL_FORMS": len(tools)}
    for number, row in enumerate(tools):
        rows |= {f"tools-{number}-id": row.pk, f"tools-{number}-danger": row.danger}
    return {
        "name": "shop",
        "is_enabled": "on",
        "transport": "streamable_http",
        "url": "https://shop.example.com/mcp",
        "args": "[]",
        "connect_timeout_s": "5",
        "call_timeout_s": "60",
        **rows,
        **changes,
    }


@pytest.mark.req("OV-72")
@pytest.mark.parametrize("address", [SERVERS, TOOLS])
def test_lists_with_at_most_twelve_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, address: str
) -> None:
    registry_tools_write()
    for number in range(30):
        tool(McpServer.objects.create(name=f"s{number}", url="http://x.local/mcp"))

    with django_assert_max_num_queries(12):
        body = admin_client.get(address).content.decode()

    assert "s29" in body


@pytest.mark.req("OV-72")
def test_a_page_with_many_tools_takes_at_most_twelve_queries(
    admin_client: Client, shop: McpServer, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        tool(shop, f"t{number}")

    with django_assert_max_num_queries(12):
        body = admin_client.get(f"{SERVERS}{shop.pk}/change/").content.decode()

    assert "t39" in body
    assert "s3cret" not in body


@pytest.mark.req("OV-43", "OV-72")
def test_ticking_a_box_allows_a_tool(admin_client: Client, shop: McpServer) -> None:
    find, add = tool(shop, "find"), tool(shop, "add")

    answer = admin_client.post(
        f"{SERVERS}{shop.pk}/change/",
        form(find, add, **{"tools-0-is_enabled": "on", "tools-0-danger": "read"}),
    )

    assert answer.status_code == 302
    find.refresh_from_db()
    add.refresh_from_db()
    assert (find.is_enabled, find.danger) == (True, "read")
    assert (add.is_enabled, add.danger) == (False, "write")
    shop.refresh_from_db()
    assert shop.headers == "Authorization: Bearer s3cret"


@pytest.mark.req("OV-43", "OV-72")
def test_a_changed_tool_shows_both_texts_until_it_is_allowed_again(
    admin_client: Client, shop: McpServer
) -> None:
    find = tool(shop)
    page = f"{TOOLS}{find.pk}/change/"
    Tool.objects.filter(pk=find.pk).update(
        summary="Sends <b>everything</b>.", allowed_summary="Finds.", allowed_schema={}
    )

    shown = admin_client.get(page).content.decode()

    assert "<del>Finds.</del>" in shown
    assert "<ins>Sends &lt;b&gt;everything&lt;/b&gt;.</ins>" in shown
    assert "changed since it was allowed" in admin_client.get(TOOLS).content.decode()
    server_page = admin_client.get(f"{SERVERS}{shop.pk}/change/").content.decode()
    assert f'href="{page}">changed since it was allowed</a>' in server_page

    admin_client.post(page, {"is_enabled": "on", "danger": "write"})

    find.refresh_from_db()
    assert (find.is_enabled, find.allowed_summary) == (True, "Sends <b>everything</b>.")
    assert "Changed by its server" not in admin_client.get(page).content.decode()


@pytest.mark.req("OV-72")
def test_reconnect_asks_a_worker_for_these_servers(
    admin_client: Client, shop: McpServer, queue: RecordingQueue
) -> None:
    admin_client.post(SERVERS, {"action": "reconnect", "_selected_action": [shop.pk]})

    assert queue.jobs == [("orchestration.mcp_servers_check", (shop.pk,), "chores")]


@pytest.mark.req("OV-06", "OV-43")
def test_stored_headers_are_not_led_to_another_host(admin_client: Client, shop: McpServer) -> None:
    elsewhere = form(url="https://elsewhere.example/mcp")

    answer = admin_client.post(f"{SERVERS}{shop.pk}/change/", elsewhere)

    errors = answer.context["adminform"].form.errors
    assert errors["headers"] == ["It would be sent to another host: type it again."]
    shop.refresh_from_db()
    assert shop.url == "https://shop.example.com/mcp"
    again = {**elsewhere, "headers": "Authorization: Bearer other"}
    assert admin_client.post(f"{SERVERS}{shop.pk}/change/", again).status_code == 302


@pytest.mark.req("OV-43")
def test_a_program_needs_a_permission_of_its_own(client: Client, shop: McpServer) -> None:
    staff = User.objects.create_user("staff@example.org", "a long password", is_staff=True)
    granted = Permission.objects.filter(
        codename__in=["view_mcpserver", "change_mcpserver", "view_tool", "change_tool"]
    )
    staff.user_permissions.set(granted)
    client.force_login(staff)
    program = form(transport="stdio", url="", command="sh")

    answer = client.post(f"{SERVERS}{shop.pk}/change/", program)

    assert "run programs" in answer.context["adminform"].form.errors["transport"][0]
    shop.refresh_from_db()
    assert shop.command == ""
    staff.user_permissions.add(Permission.objects.get(codename="run_programs"))
    assert client.post(f"{SERVERS}{shop.pk}/change/", program).status_code == 302
    shop.refresh_from_db()
    assert (shop.transport, shop.command) == ("stdio", "sh")


@pytest.mark.req("OV-43")
def test_the_environments_server_is_shown_and_its_tools_stay_as_listed(
    admin_client: Client,
) -> None:
    base = McpServer.objects.create(
        name="base", is_of_environment=True, transport="sse", url="http://x.local/mcp/sse"
    )
    find = tool(base)

    page = admin_client.get(f"{SERVERS}{base.pk}/change/").content.decode()
    assert "Kept by MCP_BASE_URL" in page
    assert 'name="url"' not in page
    answer = admin_client.post(
        f"{SERVERS}{base.pk}/change/",
        form(
            find, url="http://evil.local", **{"tools-0-is_enabled": "on", "tools-0-danger": "read"}
        ),
    )

    assert answer.status_code == 302
    find.refresh_from_db()
    base.refresh_from_db()
    assert (base.url, find.is_enabled, find.danger) == ("http://x.local/mcp/sse", False, "read")
    assert admin_client.post(f"{SERVERS}{base.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.req("OV-72")
def test_a_tool_of_the_registry_can_be_taken_away(admin_client: Client) -> None:
    registry_tools_write()
    row = Tool.objects.get(name="ui.navigate")

    lowered = admin_client.post(f"{TOOLS}{row.pk}/change/", {"danger": row.danger})

    assert lowered.status_code == 302
    row.refresh_from_db()
    assert row.is_enabled is False


def test_who_has_no_permission_sees_neither(client: Client, shop: McpServer) -> None:
    client.force_login(
        User.objects.create_user("staff@example.org", "a long password", is_staff=True)
    )

    assert client.get(SERVERS).status_code == 403
    assert client.get(f"{TOOLS}").status_code == 403
