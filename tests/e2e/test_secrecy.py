"""What people say is where it belongs and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.cast import ADA, KEYS
from tests.e2e.processes import ROOT
from tests.e2e.sse import Stream
from tests.e2e.stack import Stack, wait_until

pytestmark = pytest.mark.e2e

#: A word for each way that content takes through a run.
PROMPT, ANSWER, THOUGHT, ARGUMENT, ELEMENT = (
    f"quetzal{word}" for word in ("prompt", "answer", "thought", "argument", "element")
)
MARKERS = (PROMPT, ANSWER, THOUGHT, ARGUMENT, ELEMENT)

START = f"""
import sys
from orchestration.page.request import parse_request
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core.ids import uuid7
from uuid import UUID
request = parse_request({{
    "prompt": "{PROMPT}",
    "config": {{"model": "scripted"}},
    "domElements": [{{"id": "e", "tagName": "button", "textContent": "{ELEMENT}"}}],
}})
from agents_cfg.models import OverlayProfile
started = run_start(NewRun(
    run_id=uuid7(), kind="sealed", owner_id=UUID("{ADA.id}"), session_id="sealed-session",
    input=request.as_stored(), prompt=request.prompt, model="scripted",
    profile_id=OverlayProfile.objects.get(is_default=True).pk,
))
print(started.run_id)
"""


def sealed_run_start(stack: Stack) -> str:
    """Through the service layer: kinds of sealed runs have doorways of their own."""
    command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-v", "0", "-c", START]
    done = subprocess.run(
        command, cwd=ROOT, env=stack.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def whole_database(stack: Stack) -> str:
    tables = stack.rows(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"
    )
    assert len(tables) > 20
    return "\n".join(
        str(row["row"])
        for table in tables
        for row in stack.rows(f"SELECT t::text AS row FROM {table['name']} t")
    )


def whole_redis(stack: Stack) -> str:
    """Everything that Redis was ever told, from its own journal."""
    text = (stack.place / "redis" / "appendonly.aof").read_bytes().decode(errors="replace")
    assert "tm:log:" in text
    return text


@pytest.mark.req("DP-05")
def test_a_sealed_run_is_readable_for_its_owner_alone(stack: Stack) -> None:
    writes = {"name": "test_write", "arguments": {"line": ARGUMENT}, "id": "call_1"}
    asks = {"name": "test_permitted_write", "arguments": {"line": ARGUMENT + "2"}, "id": "call_2"}
    stack.models.script(
        "scripted",
        {"reasoning": [THOUGHT], "tool_calls": [writes]},
        {"tool_calls": [asks]},
        {"text": [ANSWER, " and ", ANSWER], "delay_ms": 80},
    )
    run_id = sealed_run_start(stack)
    stream = stack.resume(run_id, None)
    stack.wait_for_status(run_id, "paused")
    (question,) = stack.get(f"/api/taskmapr/runs/{run_id}").json()["waits_for"]
    stack.post(f"/api/taskmapr/approvals/{question['approval_id']}", {"decision": "approved"})
    stream.rest()
    stack.wait_for_end(run_id)

    shown = "".join(str(frame.body) for frame in stream.frames)
    assert all(word in shown for word in (ANSWER, THOUGHT, ARGUMENT, ARGUMENT + "2"))
    sent = str(stack.models.requests("scripted"))
    assert PROMPT in sent
    assert ELEMENT in sent
    assert_nowhere(stack, MARKERS)

    stack.models.script("scripted", {"text": "Never.", "first_byte_ms": 60_000})
    stack.models.script("scripted", {"text": ANSWER})
    _lose_a_worker(stack, sealed_run_start(stack))
    assert_nowhere(stack, MARKERS)


def _lose_a_worker(stack: Stack, run_id: str) -> None:
    """Recovery reads and writes the log too."""
    wait_until(lambda: len(stack.models.requests("scripted")) == 4)
    stack.holder(run_id).kill()
    stack.start()
    stream = stack.resume(run_id, None)
    stream.rest()
    assert stream.text == ANSWER


def assert_nowhere(stack: Stack, words: tuple[str, ...]) -> None:
    places = {
        "database": whole_database(stack),
        "redis": whole_redis(stack),
        "logs": stack.logs(),
    }
    found = [(place, word) for place, text in places.items() for word in words if word in text]
    assert found == []


@pytest.mark.req("OV-66", "OV-15")
def test_what_is_said_on_a_page_is_in_no_log_line(stack: Stack) -> None:
    stack.models.script("scripted", {"reasoning": [THOUGHT], "text": [ANSWER]})
    password = {"id": "p", "tagName": "input", "type": "password", "value": "quetzalpassword"}
    element = {"id": "e", "tagName": "button", "textContent": ELEMENT}
    stream = stack.ask(PROMPT, model="scripted", session="said", domElements=[element, password])
    stream.rest()
    assert stream.text == ANSWER
    logs = stack.logs()
    assert "[TaskMapr] Starting stream for session said" in logs
    wait_until(lambda: "[TaskMapr] Stream completed - " in stack.logs())
    token = stack.credentials()["Authorization"].split(".")[1]
    for word in (*MARKERS, "quetzalpassword", token, *KEYS.values()):
        assert word not in stack.logs()
    stack.wait_for_end(stream.run_id)
    assert "quetzalpassword" not in whole_database(stack) + whole_redis(stack)
    assert "quetzalpassword" not in str(stack.models.requests("scripted"))


@pytest.mark.req("OV-66")
def test_log_lines_name_the_run_and_the_session(stack: Stack) -> None:
    stream: Stream = stack.ask("Hello", model="text-5", session="named")
    stream.rest()
    lines = [
        line for line in stack.logs().splitlines() if "Starting stream for session named" in line
    ]
    assert len(lines) == 1
    for name, value in (("run_id", stream.run_id), ("session_id", "named"), ("user_id", ADA.id)):
        assert f'"{name}":"{value}"' in lines[0]
    assert '"request_id":null' not in lines[0]
