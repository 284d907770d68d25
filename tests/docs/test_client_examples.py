"""The programs in the how-tos about the client and callbacks, run as they stand there."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.client.conftest import problem, told
from tests.client.test_clients import DONE, JOB, TASK, frame, stream
from tests.docs.documents import ROOT, blocks
from tests.receiver import Received, Receiver, Reply, receiving


def example(document: str, index: int = 0) -> dict[str, Any]:
    """The names that a program defines."""
    source = blocks((ROOT / "docs" / "how-to" / document).read_text(), "python")[index]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, document, "exec"), names)
    return names


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.mark.req("IN-51")
def test_an_intent(server: Receiver) -> None:
    accepted = {"status": "accepted", "job_id": JOB, "mode": "agent"}
    server.replies = [told(accepted, 202), told(DONE)]

    assert example("use-the-client.md", 0)["remember"](server.url(""), "key") == "mem_1"


@pytest.mark.req("IN-51")
def test_following_a_job(server: Receiver) -> None:
    server.replies = [
        stream(frame("metadata", 1), frame("progress", 2, percent=40, text="")),
        stream(frame("complete", 3, status="success")),
    ]

    seen = example("use-the-client.md", 1)["follow"](server.url(""), "key", JOB)

    assert seen == ["40 %", "success"]


@pytest.mark.req("IN-51")
def test_tasks(server: Receiver) -> None:
    def answer(request: Received) -> Reply:
        if request.method == "POST":
            steps = json.loads(request.body)["params"]["steps"]
            return told({"task_id": f"t-{steps}", "status": "assigned"})
        return told(TASK)

    server.replies = [answer]

    done = asyncio.run(example("use-the-client.md", 2)["assign_all"](server.url(""), "token"))

    assert done == ["completed", "completed"]
    assert server.received[0].headers["authorization"] == "Bearer token"


def test_what_goes_wrong(server: Receiver) -> None:
    ask = example("use-the-client.md", 3)["ask"]
    server.replies = [
        problem(404, "unknown_intent", {"details": {"suggestions": ["memory.write"]}}),
        problem(502, "upstream_error"),
    ]

    assert ask(server.url(""), "memory.writ") == "no such intent, perhaps ['memory.write']"
    assert ask(server.url(""), "gmail.triage") == "upstream_error (r-1)"
    with receiving() as gone:
        url = gone.url("")
    assert ask(url, "x") == "nobody is there"


@pytest.mark.req("IN-40")
def test_receiving_callbacks() -> None:
    names = example("receive-callbacks.md")
    server = names["serve"](0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    body = '{"type":"job.completed","data":{}}'
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(names["SECRET"]).sign("msg_1", now, body),
    }
    try:
        answers = [
            httpx.post(url, content=body, headers=headers).status_code,
            httpx.post(url, content=body, headers=headers).status_code,
            httpx.post(url, content=body + " ", headers=headers).status_code,
        ]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

    assert answers == [204, 204, 400]
    assert names["DONE"] == [{"type": "job.completed", "data": {}}]
