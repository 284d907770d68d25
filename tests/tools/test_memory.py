"""The tools that remember, as a run calls them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection, transaction
from psycopg.errors import UndefinedTable

from agents_cfg.models import OverlayProfile, default_tools
from memory.models import MemoryItem
from memory.services.items import memory_item_add
from memory.services.items_embed import memory_items_embed
from orchestration.tools import memory as module
from orchestration.tools.memory import register
from orchestration.tools.offered import tools_offered
from taskmapr.core.errors import (
    DatabaseUnavailable,
    InvalidInput,
    MemoryNotFound,
    ModelFailed,
    ToolError,
)
from taskmapr.core.ids import uuid7
from taskmapr.core.tools import ToolContext, ToolRegistry, registry
from taskmapr.stack.postgres import binaries
from taskmapr.users.models import User
from taskmapr.users.services.data_keys import data_key_destroy, data_key_rotate
from tests.memory.conftest import ada, cyd, subjects, use
from tests.memory.embedders import Subjects

__all__ = ["ada", "cyd", "subjects", "use"]

pytestmark = pytest.mark.django_db


def call(user: User, verb: str, *, run_id: str = "trial", **args: Any) -> dict[str, Any]:
    """What the tool says. Arguments are checked as in a run."""
    spec = registry.get(f"memory.{verb}")
    assert spec is not None
    spec.check(args)
    context = ToolContext(run_id=run_id, call_id="c", user_id=str(user.pk), session_id=None)
    answer: dict[str, Any] = async_to_sync(spec.handler)(context, args)  # type: ignore[arg-type]
    return answer


@pytest.mark.req("IN-15", "IN-16")
def test_what_the_four_tools_are() -> None:
    specs = register(ToolRegistry())

    assert [(s.name, s.danger, s.has_effect, s.volatile, s.is_idempotent) for s in specs] == [
        ("memory.write", "write", True, False, False),
        ("memory.search", "read", False, True, True),
        ("memory.get", "read", False, True, True),
        ("memory.delete", "write", True, False, True),
    ]
    assert {(s.provider, s.needs_approval, s.permission) for s in specs} == {("memory", False, "")}
    assert all(spec.in_transaction for spec in specs)


@pytest.mark.req("IN-16")
def test_a_search_that_asks_a_model_is_in_nobodys_transaction(subjects: Subjects) -> None:
    specs = register(ToolRegistry())

    assert [bool(spec.in_transaction) for spec in specs] == [True, False, True, True]


@pytest.mark.req("IN-15", "IN-16")
def test_what_is_written_is_found_read_and_forgotten(ada: User, use: Any) -> None:
    use(None)
    run_id = uuid7()
    written = call(
        ada,
        "write",
        run_id=str(run_id),
        text="Hello World",
        tags=["test"],
        metadata={"from": "chat"},
        ttl_s=60,
    )
    item = MemoryItem.objects.get()
    item_id = f"mem_{item.pk.hex}"

    assert written == {"item_id": item_id, "status": "stored", "embedded": False}
    assert (item.source_run_id, item.namespace) == (run_id, "default")
    created_at = f"{item.created_at:%Y-%m-%dT%H:%M:%S}.{item.created_at.microsecond // 1000:03}Z"
    found = call(ada, "search", query="world", mode="keyword")
    assert found == {
        "items": [
            {
                "item_id": item_id,
                "text": "Hello World",
                "tags": ["test"],
                "score": 1.0,
                "semantic_score": None,
                "keyword_score": 1.0,
                "created_at": created_at,
                "metadata": {"from": "chat"},
            }
        ],
        "count": 1,
        "mode": "keyword",
    }
    read = call(ada, "get", item_id=item_id)
    assert read.pop("expires_at") > created_at
    assert read == {
        "item_id": item_id,
        "text": "Hello World",
        "tags": ["test"],
        "namespace": "default",
        "metadata": {"from": "chat"},
        "embedded": False,
        "created_at": created_at,
    }
    assert call(ada, "delete", item_id=item_id) == {"item_id": item_id, "status": "deleted"}
    assert not MemoryItem.objects.exists()


@pytest.mark.req("IN-16")
@pytest.mark.parametrize("mode", [None, "hybrid", "semantic"])
def test_without_a_model_it_goes_by_keyword_and_says_so(ada: User, use: Any, mode: Any) -> None:
    use(None)
    call(ada, "write", text="Hello World")

    found = call(ada, "search", query="world", mode=mode)

    assert (found["count"], found["mode"]) == (1, "keyword")
    assert found["warnings"] == ["No embedding model is configured: searched by keyword."]


@pytest.mark.req("IN-16")
def test_a_model_that_fails_leaves_the_keywords(ada: User, subjects: Subjects) -> None:
    subjects.failure = ModelFailed("No luck.")
    call(ada, "write", text="Hello World")

    found = call(ada, "search", query="world")

    assert (found["count"], found["mode"]) == (1, "keyword")
    assert found["warnings"] == ["The embedding model does not answer: searched by keyword."]


@pytest.mark.req("IN-16")
def test_what_was_just_written_is_found_by_its_meaning(ada: User, subjects: Subjects) -> None:
    item_id = call(ada, "write", text="Hello World")["item_id"]

    found = call(ada, "search", query="greeting")

    assert [item["item_id"] for item in found["items"]] == [item_id]
    assert found["mode"] == "hybrid"
    assert "warnings" not in found
    assert call(ada, "get", item_id=item_id)["embedded"] is True
    assert subjects.asked == [["greeting"], ["Hello World"]]
    call(ada, "search", query="greeting", mode="semantic")
    assert len(subjects.asked) == 2


@pytest.mark.req("IN-16")
def test_a_text_that_the_model_refuses_spoils_no_search(ada: User, subjects: Subjects) -> None:
    subjects.refuses = "odd"
    for text in ("an odd hello", "hello again"):
        call(ada, "write", text=text)

    assert call(ada, "search", query="hello")["count"] == 2
    assert memory_items_embed() == 1
    by_meaning = call(ada, "search", query="greeting", mode="semantic")
    assert [item["text"] for item in by_meaning["items"]] == ["hello again"]


@pytest.mark.req("IN-16")
def test_what_is_too_long_for_one_answer_is_left_out(ada: User) -> None:
    for _ in range(6):
        call(ada, "write", text="tea" + "\x01" * 31_000)

    found = call(ada, "search", query="tea", mode="keyword")

    assert found["count"] == len(found["items"]) == 4
    assert found["warnings"] == ["2 more were found and left out: too long for one answer."]


@pytest.mark.req("IN-16")
@pytest.mark.parametrize("verb", ["get", "delete"])
def test_nobody_reads_or_deletes_what_is_not_theirs(ada: User, cyd: User, verb: str) -> None:
    own = memory_item_add(user_id=ada.pk, text="Ada's")
    old = memory_item_add(user_id=cyd.pk, text="old", ttl_s=60)
    MemoryItem.objects.filter(pk=old.pk).update(expires_at="2020-01-01T00:00:00Z")
    wrong = [own.pk.hex, old.pk.hex, uuid7().hex, "12", "", "x" * 32]

    for item_id in [*(f"mem_{digits}" for digits in wrong), own.pk.hex]:
        with pytest.raises(MemoryNotFound) as refused:
            call(cyd, verb, item_id=item_id)
        assert (refused.value.code, refused.value.status) == ("memory_not_found", 404)
    assert MemoryItem.objects.count() == 2


@pytest.mark.req("IN-15", "IN-16")
@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("write", {}),
        ("write", {"text": ""}),
        ("write", {"text": "   "}),
        ("write", {"text": "x" * 32_001}),
        ("write", {"text": "\ud800"}),
        ("write", {"text": "x", "tags": ["t"] * 21}),
        ("write", {"text": "x", "tags": ["\udfff"]}),
        ("write", {"text": "x", "namespace": "a\0b"}),
        ("write", {"text": "x", "metadata": []}),
        ("write", {"text": "x", "metadata": {"n": 2**70}}),
        ("write", {"text": "x", "ttl_s": True}),
        ("write", {"text": "x", "ttl_s": 10**10}),
        ("write", {"text": "x", "else": 1}),
        ("search", {"query": ""}),
        ("search", {"query": "x", "limit": 51}),
        ("search", {"query": "x", "limit": 0}),
        ("search", {"query": "x", "mode": "fuzzy"}),
        ("get", {}),
    ],
)
def test_what_does_not_fit_is_refused(ada: User, verb: str, args: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        call(ada, verb, **args)
    assert not MemoryItem.objects.exists()


@pytest.mark.req("IN-16")
@pytest.mark.parametrize("namespace", ["\0", "no name!"])
def test_a_namespace_that_cannot_be_holds_nothing(ada: User, namespace: str) -> None:
    call(ada, "write", text="A word")

    assert call(ada, "search", query="word", namespace=namespace)["items"] == []


@pytest.mark.req("IN-15")
def test_optional_members_may_be_null(ada: User, use: Any) -> None:
    use(None)
    empty: dict[str, Any] = dict.fromkeys(("tags", "namespace", "metadata", "ttl_s"))
    call(ada, "write", text="\0 all \ud7ff signs 🎉", **empty)

    found = call(ada, "search", query="signs\0", limit=None, tags=None, namespace=None, mode=None)

    assert [item["text"] for item in found["items"]] == ["\0 all \ud7ff signs 🎉"]


@pytest.mark.req("IN-15")
def test_a_write_is_undone_with_the_transaction_that_it_is_in(ada: User) -> None:
    spec = registry.get("memory.write")
    assert spec is not None
    assert spec.in_transaction is not None
    context = ToolContext(run_id="r", call_id="c", user_id=str(ada.pk), session_id=None)

    with transaction.atomic():
        assert spec.in_transaction(context, {"text": "x"})["status"] == "stored"
        assert MemoryItem.objects.count() == 1
        transaction.set_rollback(True)
    assert not MemoryItem.objects.exists()


@pytest.mark.req("DP-133")
@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("write", {"text": "x"}),
        ("search", {"query": "x", "mode": "keyword"}),
        ("get", {"item_id": f"mem_{uuid7().hex}"}),
    ],
)
def test_a_key_that_is_gone_is_told_in_words(ada: User, verb: str, args: Any) -> None:
    data_key_destroy(user_id=ada.pk)

    with pytest.raises(ToolError) as refused:
        call(ada, verb, **args)
    assert (refused.value.code, refused.value.status) == ("memory_sealed", 410)


@pytest.mark.req("OV-63")
@pytest.mark.parametrize(("verb", "args"), [("search", {"query": "x"}), ("write", {"text": "x"})])
def test_while_the_database_is_away_nothing_waits(
    ada: User, use: Any, monkeypatch: pytest.MonkeyPatch, verb: str, args: Any
) -> None:
    use(None)
    monkeypatch.setattr(module, "database_is_away", lambda: True)

    with pytest.raises(DatabaseUnavailable):
        call(ada, verb, **args)


@pytest.mark.req("OV-63")
@pytest.mark.parametrize(
    ("verb", "failure", "told"),
    [
        ("search", OperationalError("lost"), DatabaseUnavailable),
        ("write", OperationalError("lost"), OperationalError),
        ("search", UndefinedTable("a fault of ours"), UndefinedTable),
    ],
)
def test_a_connection_that_breaks_in_the_middle(
    ada: User,
    use: Any,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    failure: Exception,
    told: type[Exception],
) -> None:
    """Nobody knows then whether something was written; a read can be asked again."""

    def broken(**_: Any) -> None:
        raise failure

    use(None)
    seen: list[BaseException] = []
    monkeypatch.setattr(module, "memory_items_search", broken)
    monkeypatch.setattr(module, "memory_item_add", broken)
    monkeypatch.setattr(module, "database_went_away", seen.append)

    with pytest.raises(told):
        call(ada, verb, **({"query": "x"} if verb == "search" else {"text": "x"}))
    assert bool(seen) is isinstance(failure, OperationalError)


@pytest.mark.req("IN-15", "IN-16", "DP-133")
@pytest.mark.django_db(transaction=True)
def test_a_dump_of_the_database_holds_none_of_the_words(
    ada: User, subjects: Subjects, dumped: Callable[[], str]
) -> None:
    words = ["quetzalcoatlus", "quetzaltag", "quetzalkey", "quetzalvalue"]
    text, tag, key, value = words
    call(ada, "write", text=f"A {text} flew", tags=[tag], metadata={key: value})
    data_key_rotate(user_id=ada.pk)
    item_id = call(ada, "write", text=f"A {text} sat", tags=[tag], metadata={key: value})["item_id"]

    assert call(ada, "search", query=text, tags=[tag])["count"] == 2
    assert call(ada, "get", item_id=item_id)["metadata"] == {key: value}
    dump = dumped()
    assert "memory_memoryitem" in dump
    assert ada.email in dump
    assert [word for word in words if word in dump.lower()] == []


@pytest.fixture
def dumped() -> Callable[[], str]:
    """Everything that was committed, as text."""

    def dump() -> str:
        command = [str(binaries() / "pg_dump"), "--dbname", os.environ["DATABASE_URL"]]
        connection.close()
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    return dump


@pytest.mark.req("OV-05")
def test_assistants_remember_only_when_their_profile_names_the_tools() -> None:
    def offered(*names: str) -> set[str]:
        profile = OverlayProfile(tools=list(names) or default_tools())
        return {t.name for t in tools_offered(profile).tools if t.provider == "memory"}

    assert offered() == set()
    assert offered("memory.search") == {"memory.search"}
    assert len(offered("memory.*")) == 4
