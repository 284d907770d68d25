"""Remembering through POST /orchestrate: sealed in the job as well, once per wish."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from django.db import connection

from memory.models import MemoryItem
from memory.services.items import memory_item_add
from taskmapr.core.ids import uuid7
from taskmapr.stack.postgres import binaries
from taskmapr.users.models import User
from tests.orchestration.intents.conftest import Call

HELLO = {"text": "Hello World", "tags": ["test"]}


@pytest.mark.req("IN-15", "IN-32", "IN-33")
def test_a_wish_is_stored_once_for_each_user(orchestrate: Call, cyd: User, ada: User) -> None:
    first = orchestrate("memory.write", HELLO, mode="agent")
    again = orchestrate("memory.write", dict(reversed(HELLO.items())))
    other = orchestrate("memory.write", HELLO, user=cyd)

    assert first.status == 200
    assert (first.json["status"], first.json["mode"]) == ("success", "agent")
    assert first.json["result"]["status"] == "stored"
    assert first.json["result"]["embedded"] is False
    assert (again.json["job_id"], again.json["result"]) == (
        first.json["job_id"],
        first.json["result"],
    )
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.json["result"]["item_id"] != first.json["result"]["item_id"]
    assert sorted(MemoryItem.objects.values_list("user_id", flat=True)) == sorted([ada.pk, cyd.pk])
    run_ids = {f"job_{i.source_run_id.hex}" for i in MemoryItem.objects.all() if i.source_run_id}
    assert run_ids == {first.json["job_id"], other.json["job_id"]}


@pytest.mark.req("IN-38")
def test_what_is_free_is_known_to_cost_nothing(orchestrate: Call, call: Call) -> None:
    job_id = orchestrate("memory.write", HELLO).json["job_id"]
    assert call("GET", f"/jobs/{job_id}").json["cost"] == {"usd_micros": 0}


@pytest.mark.req("IN-16", "IN-34")
def test_the_same_search_shows_what_was_written_since(orchestrate: Call) -> None:
    assert orchestrate("memory.search", {"query": "World"}).json["result"]["count"] == 0

    item_id = orchestrate("memory.write", HELLO).json["result"]["item_id"]
    found = orchestrate("memory.search", {"query": "World"}).json["result"]

    assert [item["item_id"] for item in found["items"]] == [item_id]
    assert found["mode"] == "keyword"
    assert found["warnings"]
    assert orchestrate("memory.get", {"item_id": item_id}).json["result"]["text"] == "Hello World"
    assert orchestrate("memory.delete", {"item_id": item_id}).json["result"] == {
        "item_id": item_id,
        "status": "deleted",
    }
    assert orchestrate("memory.get", {"item_id": item_id}).status == 404


@pytest.mark.req("IN-16")
@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_strangers_item_is_not_found(orchestrate: Call, cyd: User, verb: str) -> None:
    item = memory_item_add(user_id=cyd.pk, text="Cyd's")

    for item_id in (f"mem_{item.pk.hex}", f"mem_{uuid7().hex}", "mem_12"):
        answer = orchestrate(f"memory.{verb}", {"item_id": item_id})
        assert (answer.status, answer.json["code"]) == (404, "memory_not_found")
    assert MemoryItem.objects.count() == 1


@pytest.mark.req("IN-15")
@pytest.mark.parametrize(
    ("inputs", "path"),
    [({}, "text"), ({"text": ""}, "text"), ({"text": "x", "tags": [""]}, "tags")],
)
def test_what_does_not_fit_is_named(orchestrate: Call, inputs: dict[str, Any], path: str) -> None:
    answer = orchestrate("memory.write", inputs)

    assert (answer.status, answer.json["code"]) == (422, "validation_error")
    assert path in str(answer.json["details"])
    assert not MemoryItem.objects.exists()


@pytest.mark.req("IN-15", "DP-133")
@pytest.mark.django_db(transaction=True)
def test_neither_item_nor_job_is_in_a_dump_in_the_clear(orchestrate: Call, ada: User) -> None:
    words = ["quetzalcoatlus", "quetzaltag", "quetzalkey"]
    text, tag, key = words
    orchestrate("memory.write", {"text": f"A {text}", "tags": [tag], "metadata": {key: 1}})
    assert orchestrate("memory.search", {"query": text}).json["result"]["count"] == 1

    command = [str(binaries() / "pg_dump"), "--dbname", os.environ["DATABASE_URL"]]
    connection.close()
    dump = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    assert ada.email in dump
    assert "memory.write" in dump
    assert [word for word in words if word in dump.lower()] == []
