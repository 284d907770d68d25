"""Clients that leave, cancel, or lose the web process that they talked to."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e.stack import Stack, wait_until

pytestmark = pytest.mark.e2e

#: Twice so many come: pools of connections to the stores fill with the first half. How far depends
#: on how many came at one moment, so the second may still add a dozen.
HALF = 100
#: What every client left behind would be four times as much in the worker, twice in a web process.
LEAKED = HALF // 4


@pytest.mark.req("VB-82", "OV-22")
def test_killed_in_mid_stream_a_web_process_is_replaced_by_the_other(stack: Stack) -> None:
    first = stack.ask("count", model="held-5x3", web=0)
    witness = stack.resume(first.run_id, None, web=1)
    first.read_words(5)
    stack.web[0].kill()
    stack.models.release("held-5x3", 1)
    second = stack.resume(first.run_id, first.last_id, web=1)
    second.read_words(5)
    stack.revive()
    stack.models.release("held-5x3")
    second.rest()
    joined = [f.body for f in first.frames + second.frames if f.id]
    assert joined == [f.body for f in witness.rest() if f.id]
    assert witness.frames[-1].data["status"] == "succeeded"


@pytest.mark.req("OV-23")
def test_a_run_whose_web_process_was_killed_is_cancelled_when_nobody_comes(stack: Stack) -> None:
    stream = stack.ask("count", model="silent-2", web=0)
    stream.read_texts(1)
    stack.web[0].kill()
    stack.revive()
    row = stack.wait_for_end(stream.run_id)
    assert (row["status"], row["reason"]) == ("cancelled", "client_disconnected")


@pytest.mark.req("OV-59")
def test_cancelling_closes_the_models_request_at_once(stack: Stack) -> None:
    stream = stack.ask("count", model="silent-2")
    stream.read_texts(1)
    assert stack.post(f"/api/taskmapr/runs/{stream.run_id}/cancel", {}).status == 202
    stack.models.wait_for_state("silent-2", "cut_by_client")
    stream.rest()
    assert stream.frames[-1].data["status"] == "cancelled"
    assert "error" not in stream.types
    wait_until(lambda: stack.run(stream.run_id)["status"] == "cancelled")
    again = stack.post(f"/api/taskmapr/runs/{stream.run_id}/cancel", {})
    assert (again.status, again.json()["code"]) == (409, "already_finished")


@pytest.mark.req("OV-59", "OV-24")
def test_what_waits_for_its_turn_can_be_cancelled(stack: Stack) -> None:
    first = stack.ask("count", model="held-4", session="queue")
    second = stack.ask("never", model="echo", session="queue")
    third = stack.ask("third", model="echo", session="queue")
    assert stack.post(f"/api/taskmapr/runs/{second.run_id}/cancel", {}).status == 202
    second.rest()
    assert second.types == ["metadata", "metadata", "complete"]
    assert second.frames[-1].data["status"] == "cancelled"
    stack.models.release("held-4")
    for stream in (first, third):
        stream.rest()
        assert stream.frames[-1].data["status"] == "succeeded"
    assert [r["body"]["messages"][-1]["content"] for r in stack.models.requests("echo")] == [
        "third"
    ]


@pytest.mark.req("OV-23", "OV-75")
def test_two_hundred_clients_that_leave_at_random_leave_nothing_behind(stack: Stack) -> None:
    asyncio.run(crowd(stack, seed=7))
    wait_until_all_ended(stack)
    before = {process.name: open_files(process.pid) for process in stack.processes}
    asyncio.run(crowd(stack, seed=8))
    wait_until_all_ended(stack)
    ended = stack.rows(
        "SELECT status, reason, lease_owner FROM agent_runs WHERE model = 'silent-2'"
    )
    assert len(ended) >= 2 * HALF * 0.9
    assert {(row["status"], row["lease_owner"]) for row in ended} == {("cancelled", "")}

    def left() -> list[Any]:
        with stack.redis() as client:
            channels = client.pubsub_channels("tm:live:*")
            marks = list(client.scan_iter("tm:readers:*"))
        upstream = [r for r in stack.models.requests("silent-2") if r["state"] == "open"]
        return [*channels, *marks, *upstream]

    with suppress(AssertionError):  # the next one says what it is
        wait_until(lambda: not left())
    assert left() == []
    wait_until(lambda: all(inbound(web.pid) == 0 for web in stack.web))
    wait_until(
        lambda: all(open_files(p.pid) < before[p.name] + LEAKED for p in stack.processes),
        timeout_s=30,
    )
    connections = stack.rows(
        "SELECT state, count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() GROUP BY state"
    )
    assert {row["state"] for row in connections} <= {"idle", "active", "idle in transaction"}
    assert sum(row["count"] for row in connections) <= 16 * len(stack.processes)
    beats_lock = 1  # beat holds its lock by an open transaction
    idle_in = sum(row["count"] for row in connections if row["state"] == "idle in transaction")
    assert idle_in <= beats_lock


def wait_until_all_ended(stack: Stack) -> None:
    open_runs = "SELECT count(*) FROM agent_runs WHERE finished_at IS NULL"
    wait_until(lambda: stack.rows(open_runs)[0]["count"] == 0)


async def crowd(stack: Stack, *, seed: int) -> None:
    dice = random.Random(seed)
    await asyncio.gather(
        *(client(stack, n, dice.uniform(0, 3), dice.uniform(0, 2)) for n in range(HALF))
    )


async def client(stack: Stack, number: int, comes_s: float, stays_s: float) -> None:
    where = urlsplit(stack.address(number % 2))
    await asyncio.sleep(comes_s)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    body = json.dumps({"prompt": f"client {number}", "config": {"model": "silent-2"}}).encode()
    head = [
        "POST /api/taskmapr/orchestrate HTTP/1.1",
        f"Host: {where.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in stack.credentials().items()),
    ]
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    try:
        async with asyncio.timeout(stays_s):
            await reader.read(-1)
    except TimeoutError:
        pass
    writer.transport.abort()


def open_files(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def inbound(pid: int) -> int:
    """Connections of clients that the process still holds."""
    held = psutil.Process(pid).net_connections("tcp")
    listening = {c.laddr.port for c in held if c.status == psutil.CONN_LISTEN}
    return sum(c.laddr.port in listening and c.status != psutil.CONN_LISTEN for c in held)
