"""Tools of an MCP server, with every process real: absent at first, then there, then killed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskmapr.foundation.crypto import master_fernet
from tests.e2e.cast import ADA, KEYS
from tests.e2e.sse import Stream
from tests.e2e.stack import Shape, Stack, health, wait_until
from tests.mcpserver.process import McpProcess

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpProcess]:
    """Not started yet."""
    notes = tmp_path_factory.mktemp("notes") / "notes.txt"
    process = McpProcess("sse", (f"--notes={notes}",))
    yield process
    process.kill()


@pytest.fixture(scope="module")
def shape(tools: McpProcess) -> Shape:
    return Shape(
        env={
            "MCP_BASE_URL": f"http://127.0.0.1:{tools.port}",
            "MCP_ALLOWED_TOOLS": "echo,whoami,fail,slow,add_note,die",
            "TASKMAPR_MCP_CHECK_EVERY_S": "1",
        }
    )


@pytest.fixture
def served(stack: Stack, tools: McpProcess) -> McpProcess:
    """The server runs, and its tools can be called."""
    if not tools.is_running:
        tools.restart()
    wait_until(lambda: mcp_is(stack, "available"), timeout_s=70)
    wait_until(lambda: stack.rows("SELECT * FROM agents_cfg_tool WHERE name = 'mcp:base.echo'"))
    wait_until(lambda: ask(stack, "there?", "mcp_base_echo", text="yes")["ok"])
    return tools


def ask(stack: Stack, prompt: str, name: str, **arguments: Any) -> dict[str, Any]:
    """The end of the call that a scripted model makes."""
    call = {"name": name, "arguments": arguments}
    stack.models.script("scripted", {"tool_calls": [call]}, {"text": ["So it is."]})
    stream = stack.ask(prompt, model="scripted")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    return completed(stream)


def completed(stream: Stream) -> dict[str, Any]:
    (frame,) = (f for f in stream.frames if f.type == "tool_call_completed")
    data: dict[str, Any] = frame.data
    return data


def mcp_is(stack: Stack, state: str) -> bool:
    return health(stack)[1]["mcp"] == state


@pytest.mark.req("OV-44", "OV-59", "OV-S13")
def test_a_server_that_is_down_at_start_stops_nothing(stack: Stack, tools: McpProcess) -> None:
    tools.kill()
    wait_until(lambda: mcp_is(stack, "unavailable"))
    wait_until(lambda: "MCP server base cannot be reached" in stack.logs())
    status, body = health(stack)
    assert (status, body["status"], body["mcp"]) == (200, "degraded", "unavailable")
    warning = next(line for line in stack.logs().splitlines() if "MCP server base" in line)
    for part in ("Reason: connection failed", "Impact: ", "Action: "):
        assert part in warning

    stream = stack.ask("Hello", model="scripted")
    stream.rest()

    assert stream.frames[-1].data["status"] == "succeeded"
    (asked,) = stack.models.requests("scripted")
    assert "NOT AVAILABLE NOW: the tools of base" in asked["body"]["messages"][0]["content"]
    assert not any("mcp_base" in t["function"]["name"] for t in asked["body"].get("tools", ()))


@pytest.mark.req("OV-43", "OV-44", "OV-05", "OV-S13")
def test_its_allowed_tools_come_when_it_comes(stack: Stack, served: McpProcess) -> None:
    done = ask(stack, "say it", "mcp_base_echo", text="hello")

    assert (done["name"], done["ok"], done["result"]) == ("mcp:base.echo", True, "hello")
    offered = {
        t["function"]["name"] for t in stack.models.requests("scripted")[-1]["body"]["tools"]
    }
    assert {n for n in offered if n.startswith("mcp_")} == {
        "mcp_base_echo",
        "mcp_base_whoami",
        "mcp_base_fail",
        "mcp_base_slow",
        "mcp_base_die",
    }


@pytest.mark.req("OV-43", "OV-S13")
@pytest.mark.parametrize("name", ["mcp_base_wipe", "mcp_base_picture", "mcp_base_add_note"])
def test_a_tool_outside_the_list_or_the_profile_cannot_be_called(
    stack: Stack, served: McpProcess, name: str
) -> None:
    done = ask(stack, "do it", name, text="x")

    assert (done["ok"], done["name"]) == (False, name)


@pytest.mark.req("IN-S10")
def test_a_tool_is_an_intent_while_its_server_is_there(stack: Stack, served: McpProcess) -> None:
    def orchestrate(intent: str, **inputs: Any) -> tuple[int, dict[str, Any]]:
        answer = stack.post("/orchestrate", {"intent": intent, "inputs": inputs})
        return answer.status, answer.json()

    status, told = orchestrate("mcp:base/echo", text="hello")
    assert (status, told["mode"]) == (200, "mcp")
    assert told["result"]["content"] == [{"type": "text", "text": "hello"}]
    assert told["result"]["is_error"] is False
    status, told = orchestrate("mcp:base/wipe")
    assert (status, told["code"]) == (403, "tool_not_allowed")

    served.kill()
    status, told = orchestrate("mcp:base/echo", text="anybody?")
    assert (status, told["code"]) == (503, "mcp_unavailable")
    status, told = orchestrate("my.operation", param1="x", param2=1)
    assert (status, told["mode"]) == (200, "agent")


@pytest.mark.req("OV-45")
def test_the_user_is_the_runs_whatever_the_model_says(stack: Stack, served: McpProcess) -> None:
    done = ask(stack, "who am I", "mcp_base_whoami", user_id="somebody-else", greeting="hi")

    assert done["result"] == {"user": str(ADA.id), "greeting": "hi"}


@pytest.mark.req("OV-44")
def test_a_failing_tool_and_a_dying_server_are_tool_errors(
    stack: Stack, served: McpProcess
) -> None:
    failed = ask(stack, "fail", "mcp_base_fail", reason="the shelf is empty")
    assert (failed["ok"], "the shelf is empty" in str(failed)) == (False, True)

    died = ask(stack, "die", "mcp_base_die")
    assert died["ok"] is False
    away = ask(stack, "say it", "mcp_base_echo", text="x")
    assert away["ok"] is False

    wait_until(lambda: mcp_is(stack, "unavailable"))
    served.restart()
    wait_until(lambda: mcp_is(stack, "available"), timeout_s=70)
    wait_until(lambda: ask(stack, "say it", "mcp_base_echo", text="again")["ok"])


@pytest.mark.req("OV-43")
def test_a_program_runs_beside_the_worker_and_ends_with_it(stack: Stack, tmp_path: Path) -> None:
    program = f'["-m", "tests.mcpserver", "stdio", "--notes={tmp_path}/notes"]'
    python, root = sys.executable, str(Path(__file__).resolve().parents[2])
    stack.rows(
        "INSERT INTO agents_cfg_mcpserver (name, is_of_environment, is_enabled, transport, url,"
        " command, args, env, headers, connect_timeout_s, call_timeout_s, state, last_error,"
        " revision, software, updated_at) VALUES ('local', false, true, 'stdio', '', %s, %s, %s,"
        " '', 20, 60, 'unknown', '', '', '', now()) RETURNING id",
        python,
        program,
        sealed(f"PYTHONPATH={root}"),
    )
    wait_until(lambda: stack.rows("SELECT 1 FROM agents_cfg_tool WHERE name = 'mcp:local.echo'"))
    stack.rows(
        "UPDATE agents_cfg_tool SET is_enabled = true, danger = 'read', has_effect = false"
        " WHERE name = 'mcp:local.echo' RETURNING id"
    )
    wait_until(lambda: ask(stack, "say", "mcp_local_echo", text="near")["ok"])
    running = programs()
    assert running

    stack.workers[0].signal(signal.SIGTERM)
    assert stack.workers[0].wait() == 0

    wait_until(lambda: not programs())


def programs() -> list[int]:
    import psutil

    return [
        p.pid
        for p in psutil.process_iter(["cmdline"])
        if {"tests.mcpserver", "stdio"} <= set(p.info["cmdline"] or ())
        and any(argument.startswith("--notes=") for argument in p.info["cmdline"])
    ]


def sealed(text: str) -> str:
    from django.test import override_settings

    with override_settings(TASKMAPR_SECRET_KEYS=[KEYS["TASKMAPR_SECRET_KEY"]]):
        return master_fernet("field").encrypt(text.encode()).decode()
