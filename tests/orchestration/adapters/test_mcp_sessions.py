"""Sessions with real MCP servers in their own processes, over every transport and revision."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestration.adapters import mcp_keeper
from orchestration.adapters.mcp_absent import NoToolServers
from orchestration.adapters.mcp_client import McpSessions
from taskmapr.core.errors import OutcomeUnknown, ToolCallFailed, ToolServerUnavailable
from taskmapr.core.ports import ToolServerAddress
from tests.mcpserver.process import McpProcess, stdio_address

HTTP = {
    "http-new": ("streamable_http", ()),
    "http-old": ("streamable_http", ("--old",)),
    "http-old-stateless": ("streamable_http", ("--old", "--stateless")),
    "sse": ("sse", ()),
}
REVISIONS = {
    "http-new": "2026-07-28",
    "http-old": "2025-11-25",
    "http-old-stateless": "2025-11-25",
    "sse": "2026-07-28",
    "stdio": "2026-07-28",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Callable[[str], McpProcess]]:
    """The server of that kind; started by the first test that wants it, and by the next one
    after a test that left it dead."""
    processes: dict[str, McpProcess] = {}

    def of(kind: str) -> McpProcess:
        server = processes.setdefault(kind, McpProcess(*HTTP[kind]))
        if not server.is_running:
            server.start()
        return server

    yield of
    for process in processes.values():
        process.kill()


@pytest.fixture
def sessions() -> McpSessions:
    """Ended with the loop of the test, which cancels what is left of them."""
    return McpSessions()


@pytest.fixture(params=[*HTTP, "stdio"])
def address(request: pytest.FixtureRequest, running: Any) -> ToolServerAddress:
    kind = request.param
    return stdio_address() if kind == "stdio" else running(kind).address()


async def time_of(call: Awaitable[Any]) -> tuple[Any, float]:
    began = time.monotonic()
    try:
        outcome = await call
    except Exception as error:
        outcome = error
    return outcome, time.monotonic() - began


async def given_up(call: Awaitable[Any], after_s: float) -> float:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(after_s):
            await call
    return time.monotonic() - began


@pytest.mark.req("OV-43")
async def test_lists_and_calls_over_every_transport_and_revision(
    sessions: McpSessions, address: ToolServerAddress, request: pytest.FixtureRequest
) -> None:
    (report,) = await sessions.check([address])

    assert (report.server_id, report.problem) == (1, "")
    assert report.revision == REVISIONS[request.node.callspec.params["address"]]
    assert report.software == "test-tools 1.2.3"
    tools = {tool.name: tool for tool in report.tools}
    assert len(tools) == 12
    assert tools["echo"].summary == "Say the text again."
    assert tools["echo"].input_schema["required"] == ["text"]
    assert (tools["echo"].is_read_only, tools["echo"].is_destructive) == (True, None)
    assert (tools["wipe"].is_read_only, tools["wipe"].is_destructive) == (False, True)
    assert (tools["die"].is_read_only, tools["die"].is_destructive) == (None, None)

    assert await sessions.call(address, "echo", {"text": "hello"}) == "hello"
    assert await sessions.call(address, "echo", {"text": '{"a": [1]}'}) == {"a": [1]}
    assert await sessions.call(address, "Odd.Name-1", {}) == "odd"
    greeted = await sessions.call(address, "whoami", {"user_id": "ada"})
    assert greeted == {"user": "ada", "greeting": "hello"}


@pytest.mark.req("OV-44")
async def test_a_failing_tool_is_an_error_in_its_own_words(
    sessions: McpSessions, address: ToolServerAddress
) -> None:
    with pytest.raises(ToolCallFailed, match="the shelf is empty") as failed:
        await sessions.call(address, "fail", {"reason": "the shelf is empty"})
    with pytest.raises(ToolCallFailed, match="nosuch") as refused:
        await sessions.call(address, "nosuch", {})
    assert not isinstance(failed.value, OutcomeUnknown)
    assert not isinstance(refused.value, OutcomeUnknown)

    assert await sessions.call(address, "echo", {"text": "and on"}) == "and on"


async def test_pictures_are_described_and_not_carried(
    sessions: McpSessions, running: Callable[[str], McpProcess]
) -> None:
    shown = await sessions.call(running("http-new").address(), "picture", {})

    assert shown == [
        "This is it:",
        {"type": "image", "mime_type": "image/png", "size_bytes": 3000, "content": "left out"},
    ]


async def test_long_results_are_cut(
    sessions: McpSessions, running: Callable[[str], McpProcess]
) -> None:
    text = await sessions.call(running("http-new").address(), "echo", {"text": "x" * 200_000})

    assert text == "x" * 131_072 + "… (cut)"


@pytest.mark.req("OV-44")
@pytest.mark.parametrize("tool", ["slow", "stubborn"])
async def test_a_call_that_is_given_up_ends_at_once_and_leaves_the_session_usable(
    sessions: McpSessions, address: ToolServerAddress, tool: str
) -> None:
    await sessions.check([address])

    took_s = await given_up(sessions.call(address, tool, {"seconds": 3}), 0.3)

    assert took_s < 2.5
    answer, took_s = await time_of(sessions.call(address, "echo", {"text": "still there"}))
    assert answer == "still there"
    assert took_s < 2


async def test_many_calls_at_once_share_a_session(
    sessions: McpSessions, address: ToolServerAddress
) -> None:
    await sessions.check([address])

    calls = [sessions.call(address, "slow", {"seconds": 0.5}) for _ in range(30)]
    answers, took_s = await time_of(asyncio.gather(*calls))

    assert answers == ["at last"] * 30
    assert took_s < 5


@pytest.mark.req("OV-44")
@pytest.mark.parametrize("kind", HTTP)
async def test_a_server_that_was_started_anew_is_found_without_a_lost_call(
    sessions: McpSessions, running: Callable[[str], McpProcess], kind: str
) -> None:
    server = running(kind)
    address = server.address()
    assert await sessions.call(address, "echo", {"text": "before"}) == "before"

    await asyncio.to_thread(server.restart)

    assert await sessions.call(address, "echo", {"text": "after"}) == "after"


@pytest.mark.req("OV-44")
@pytest.mark.parametrize("kind", [*HTTP, "stdio"])
async def test_a_server_that_dies_in_a_call_is_an_error_and_comes_back(
    sessions: McpSessions, running: Callable[[str], McpProcess], kind: str
) -> None:
    server = None if kind == "stdio" else running(kind)
    address = stdio_address() if server is None else server.address()

    with pytest.raises(OutcomeUnknown, match="Whether it took effect is unknown"):
        await sessions.call(address, "die", {})

    if server is not None:
        with pytest.raises(ToolServerUnavailable):
            await sessions.call(address, "echo", {"text": "away"})
        await asyncio.to_thread(server.restart)
        (report,) = await sessions.check([address], at_once=[1])
        assert report.problem == ""
    assert await sessions.call(address, "echo", {"text": "back"}) == "back"


@pytest.mark.req("OV-44")
@pytest.mark.parametrize("transport", ["streamable_http", "sse"])
async def test_a_server_that_accepts_and_is_silent_is_given_up_in_time(
    sessions: McpSessions, transport: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = ToolServerAddress(
            server_id=1,
            name="silent",
            transport=transport,
            url=f"http://127.0.0.1:{silent.getsockname()[1]}/mcp",
            connect_timeout_s=0.5,
        )

        ((report,), took_s) = await time_of(sessions.check([address]))

    assert report.problem == "no answer within 0.5 s"
    assert 0.4 < took_s < 10


@pytest.mark.req("OV-44")
async def test_a_server_that_is_away_is_left_alone_for_longer_and_longer(
    sessions: McpSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []
    now = 1000.0

    class Refused(mcp_keeper.Session):
        async def open(self) -> None:
            tries.append(now)
            raise ConnectionRefusedError("refused")

    monkeypatch.setattr(mcp_keeper, "Session", Refused)
    monkeypatch.setattr(mcp_keeper, "_now", lambda: now)
    address = ToolServerAddress(
        server_id=1, name="away", transport="streamable_http", url="http://127.0.0.1:9/mcp"
    )
    for second in range(400):
        now = 1000.0 + second
        with pytest.raises(ToolServerUnavailable, match="refused"):
            await sessions.call(address, "echo", {})

    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 32]
    assert set(pauses[6:]) == {60}
    before = len(tries)
    await sessions.check([address], at_once=[1])
    assert len(tries) == before + 1


@pytest.mark.req("OV-44")
async def test_an_old_server_that_ignores_new_questions_is_asked_in_the_old_way(
    sessions: McpSessions, tmp_path: Path
) -> None:
    program = tmp_path / "old.py"
    program.write_text(_OLD_PROGRAM)
    address = stdio_address(args=(str(program),), connect_timeout_s=4)

    (first,) = await sessions.check([address])
    (second,) = await sessions.check([address], at_once=[1])

    assert first.problem.startswith("no answer within 4 s")
    assert (second.problem, second.revision) == ("", "2025-06-18")


async def test_a_program_that_is_not_there_or_ends_says_so(
    sessions: McpSessions,
) -> None:
    absent = stdio_address(command="/no/such/program", server_id=1)
    broken = stdio_address(
        args=("-c", "import sys; sys.exit('no licence, key s3cret-key')"),
        env={"KEY": "s3cret-key"},
        server_id=2,
    )

    reports = await sessions.check([absent, broken])

    assert reports[0].problem == "there is no program /no/such/program"
    assert "no licence, key [redacted]" in reports[1].problem


@pytest.mark.req("OV-43")
async def test_headers_are_sent_and_never_told(sessions: McpSessions) -> None:
    heard: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 s3cret-word\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = ToolServerAddress(
        server_id=1,
        name="closed",
        transport="sse",
        url=f"http://127.0.0.1:{port}/mcp/sse?key=s3cret-query",
        headers={"Authorization": "Bearer s3cret-word"},
    )

    (report,) = await sessions.check([address])
    server.close()

    assert b"Authorization: Bearer s3cret-word" in heard[0]
    assert report.problem == "HTTP 401 [redacted]"
    assert "s3cret-word" not in repr(address)


@pytest.mark.req("OV-43")
@pytest.mark.parametrize("transport", ["sse", "streamable_http"])
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_headers_do_not_follow_a_redirect_to_another_host(
    sessions: McpSessions, transport: str, status: str
) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked.append(next(line for line in head.splitlines() if line.startswith("host: ")))
        there = f"Location: http://localhost:{port}/mcp\r\n"
        end = "content-length: 0\r\nconnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{there}{end}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = ToolServerAddress(
        server_id=1,
        name="moved",
        transport=transport,
        url=f"http://127.0.0.1:{port}/mcp",
        headers={"X-Api-Key": "s3cret-word"},
    )

    (report,) = await sessions.check([address])
    server.close()

    assert set(asked) == {f"host: 127.0.0.1:{port}"}
    assert report.problem


async def test_closing_ends_every_process_and_every_task(
    running: Callable[[str], McpProcess],
) -> None:
    sessions = McpSessions()
    tasks_before = asyncio.all_tasks()
    await sessions.check([stdio_address(server_id=1), running("sse").address(server_id=2)])
    assert _children(), "the program runs"
    calling = asyncio.ensure_future(
        sessions.call(running("sse").address(server_id=2), "slow", {"seconds": 60})
    )
    await asyncio.sleep(0.2)

    _, took_s = await time_of(sessions.close())

    assert took_s < 6
    with pytest.raises(ToolCallFailed):
        await calling
    assert not _children()
    assert asyncio.all_tasks() - tasks_before - {calling} == set()


async def test_a_server_that_is_not_wanted_any_more_is_left(sessions: McpSessions) -> None:
    await sessions.check([stdio_address()])
    assert _children()

    await sessions.check([])
    await sessions.close()

    assert not _children()


async def test_who_still_has_the_old_address_breaks_no_call_at_the_new_one(
    sessions: McpSessions, running: Callable[[str], McpProcess]
) -> None:
    server = running("http-old")
    old, new, newest = (server.address(headers={"X-Key": key}) for key in ("a", "b", "c"))
    await sessions.call(old, "echo", {"text": "before the change"})
    calling = asyncio.ensure_future(sessions.call(new, "slow", {"seconds": 0.5}))
    await asyncio.sleep(0.2)

    assert await sessions.call(old, "echo", {"text": "after it"}) == "after it"

    await calling
    await sessions.call(newest, "echo", {"text": "changed again"})
    assert len(sessions._keepers) == 2


async def test_another_address_means_another_session(
    sessions: McpSessions, running: Callable[[str], McpProcess]
) -> None:
    assert (await sessions.check([running("sse").address()]))[0].problem == ""

    (report,) = await sessions.check([running("sse").address(url="http://127.0.0.1:9/mcp/sse")])

    assert report.problem.startswith("connection failed")


async def test_without_a_client_every_server_is_away() -> None:
    absent = NoToolServers("the MCP client cannot be imported: No module named 'mcp'")
    address = stdio_address()

    (report,) = await absent.check([address])

    assert report.problem == "the MCP client cannot be imported: No module named 'mcp'"
    with pytest.raises(ToolServerUnavailable, match="cannot be imported"):
        await absent.call(address, "echo", {})


@pytest.fixture(scope="module")
def everything_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the reference server in npm's registry; skips where it cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("npm (Node.js) is not installed")
    place = tmp_path_factory.mktemp("everything")
    package = "@modelcontextprotocol/server-everything"
    command = ["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [*command, f"{package}@2026.8.31"], capture_output=True, check=False, timeout=180
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer in time")
    if done.returncode:
        pytest.skip("npm's registry cannot be reached")
    return place / "node_modules" / package / "dist" / "index.js"


@pytest.mark.e2e
@pytest.mark.req("OV-43")
async def test_a_server_of_the_other_official_sdk(
    sessions: McpSessions, everything_server: Path
) -> None:
    address = stdio_address(
        command="node", args=(str(everything_server), "stdio"), connect_timeout_s=30.0
    )

    (report,) = await sessions.check([address])

    assert (report.problem, report.revision) == ("", "2025-11-25")
    assert "echo" in {tool.name for tool in report.tools}
    assert await sessions.call(address, "echo", {"message": "hi"}) == "Echo: hi"


def _children() -> list[psutil.Process]:
    """Programs that this process started for stdio."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "tests.mcpserver" in child.cmdline() and "stdio" in child.cmdline()
    ]


_OLD_PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] == "initialize":
        answer = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "old", "version": "1"}}
    elif asked["method"] == "tools/list":
        answer = {"tools": []}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}), flush=True)
"""
