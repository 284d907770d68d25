from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from memory.services.items import memory_item_add
from orchestration.models import Message, Run, Session
from orchestration.prompts.recalled import Recalled
from orchestration.selectors.recall import recalled_for
from taskmapr.users.models import User
from taskmapr.users.services.data_keys import data_key_destroy
from tests.orchestration.conftest import StartRun

AskedQueries = Any


def recalled(user: User, session_id: str = "new", **switches: bool) -> Recalled:
    given = {"sessions": True, "preferences": True, **switches}
    return recalled_for(user_id=user.pk, session_id=session_id, **given)


def talk(start: StartRun, session_id: str, asked: str, answer: str = "", **changes: Any) -> Run:
    """One run of a session with what was said in it; later ones are later."""
    run = start(session_id=session_id, prompt=asked, **changes)
    Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=datetime.now(UTC))
    Session.objects.filter(pk=session_id).update(updated_at=datetime.now(UTC))
    if answer:
        Message.objects.create(
            session_id=session_id, run=run, position=1, role="assistant", content=answer
        )
    return run


@pytest.mark.req("OV-38")
def test_the_three_latest_other_sessions_newest_first(start: StartRun, ada: User) -> None:
    for n in range(5):
        talk(start, f"s-{n}", f"question {n}", f"answer {n}")
    talk(start, "here", "this one")

    notes = recalled(ada, "here").sessions

    assert [re.findall(r"question \d", note) for note in notes] == [
        ["question 4"],
        ["question 3"],
        ["question 2"],
    ]
    assert notes[0].endswith("; the user last asked 'question 4'; the answer was 'answer 4'")
    assert notes[0].startswith(f"{datetime.now(UTC):%Y-%m-%d}")


@pytest.mark.req("OV-38")
def test_a_note_holds_the_beginning_and_the_end_of_its_session(start: StartRun, ada: User) -> None:
    talk(start, "s", "Where are my invoices?", "There.")
    talk(start, "s", "Which is unpaid?", "The third.")

    (note,) = recalled(ada).sessions

    assert "it began with 'Where are my invoices?'" in note
    assert "last asked 'Which is unpaid?'" in note
    assert "answer was 'The third.'" in note


@pytest.mark.req("OV-38")
def test_a_note_has_at_most_300_characters(start: StartRun, ada: User) -> None:
    talk(start, "s", "first " + "f" * 500, "x" * 500)
    talk(start, "s", "last " + "l" * 500, "y" * 500)

    (note,) = recalled(ada).sessions

    assert 250 < len(note) <= 300


@pytest.mark.req("OV-38")
def test_nothing_crosses_users(start: StartRun, ada: User, cyd: User) -> None:
    talk(start, "s", "Ada's question", "Ada's answer")
    memory_item_add(user_id=ada.pk, text="Ada's taste", tags=["preference"])

    assert recalled(cyd) == Recalled()


@pytest.mark.req("OV-38")
def test_the_five_latest_preferences(ada: User) -> None:
    for n in range(6):
        memory_item_add(user_id=ada.pk, text=f"likes {n}", tags=["x", "preference"])
    memory_item_add(user_id=ada.pk, text="a fact", tags=["fact"])
    memory_item_add(user_id=ada.pk, text="short-lived", tags=["preference"], ttl_s=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE memory_memoryitem SET expires_at = now() WHERE expires_at > now()")

    assert recalled(ada).preferences == tuple(f"likes {n}" for n in (5, 4, 3, 2, 1))


@pytest.mark.req("OV-38")
def test_each_part_can_be_switched_off(start: StartRun, ada: User) -> None:
    talk(start, "s", "question")
    memory_item_add(user_id=ada.pk, text="likes tea", tags=["preference"])

    assert recalled(ada, sessions=False).sessions == ()
    assert recalled(ada, sessions=False).preferences == ("likes tea",)
    assert recalled(ada, preferences=False).preferences == ()
    assert len(recalled(ada, preferences=False).sessions) == 1


@pytest.mark.req("OV-38")
def test_it_costs_one_query_and_none_when_switched_off(
    start: StartRun, ada: User, django_assert_num_queries: AskedQueries
) -> None:
    for n in range(3):
        talk(start, f"s-{n}", "question", "answer")

    with django_assert_num_queries(1):
        recalled(ada)
    with django_assert_num_queries(0):
        recalled(ada, sessions=False, preferences=False)


@pytest.mark.req("OV-38", "VB-79")
def test_sealed_messages_are_not_told_in_the_clear(start: StartRun, ada: User) -> None:
    run = talk(start, "sealed", "quetzal")
    Message.objects.filter(run=run).update(is_sealed=True)
    talk(start, "open", "question", "quetzal answer")
    Message.objects.filter(role="assistant").update(is_sealed=True)

    (note,) = recalled(ada).sessions

    assert "question" in note
    assert "quetzal" not in note


@pytest.mark.req("OV-38", "DP-138")
def test_a_lost_key_costs_the_preferences_and_no_more(start: StartRun, ada: User) -> None:
    talk(start, "s", "question")
    memory_item_add(user_id=ada.pk, text="likes tea", tags=["preference"])
    data_key_destroy(user_id=ada.pk)

    assert recalled(ada).preferences == ()
    assert len(recalled(ada).sessions) == 1


def test_it_is_answered_by_indexes(ada: User) -> None:
    from orchestration.selectors import recall

    known = {"user": UUID(int=1), "session": "s", "length": 300, "sessions": 3, "preferences": 5}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {recall._SESSIONS} UNION ALL {recall._PREFERENCES}", known)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan" not in plan
    # Which index of several finds the messages depends on what the tables hold.
    for index in ("agent_sessions_user", " on agent_messages", "memory_items_preferences"):
        assert index in plan
