"""Requests that come twice, as the service sees them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from orchestration.models import IdempotencyKey, Message, Run, Session
from orchestration.page.request import parse_request
from orchestration.services import idempotency
from orchestration.services.idempotency import RunRepeated, keys_prune
from orchestration.services.overlay_runs import Asked, overlay_run_start
from taskmapr.core.errors import (
    IdempotencyKeyReused,
    QueueUnavailable,
    SessionBusy,
    SessionForbidden,
)
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue

Ask = Callable[..., UUID]


@pytest.fixture
def ask(ada: User) -> Ask:
    """Start an overlay run of Ada's, or of another `user`; keyword arguments are the body."""

    def start(key: str | None = None, *, user: User = ada, **body: Any) -> UUID:
        asked = Asked(
            run_id=uuid7(),
            user_id=user.pk,
            user_name=str(user.pk),
            request=parse_request({"prompt": "Hello", **body}),
            origin=None,
            request_id="",
            idempotency_key=key,
        )
        return overlay_run_start(asked).run_id

    return start


def repeated(ask: Ask, *args: Any, **body: Any) -> UUID:
    with pytest.raises(RunRepeated) as earlier:
        ask(*args, **body)
    return earlier.value.run_id


def message(id: str, content: str = "Hello") -> list[dict[str, str]]:
    """A history that ends as browsers end it: the prompt, and a place for its answer."""
    return [
        {"id": "m-0", "role": "user", "content": "earlier"},
        {"id": id, "role": "user", "content": content},
        {"id": "a-1", "role": "assistant", "content": ""},
    ]


# A key of the client ----------------------------------------------------------------------------


@pytest.mark.req("OV-68")
def test_a_repeat_finds_the_run_and_writes_nothing(ask: Ask, queue: RecordingQueue) -> None:
    run_id = ask("k-1")

    assert repeated(ask, "k-1") == run_id
    assert repeated(ask, "k-1", timestamp="2026-01-05T10:00:00Z", stream=False) == run_id
    assert Run.objects.count() == Message.objects.count() == Session.objects.count() == 1
    assert queue.run_ids == [run_id]


@pytest.mark.req("OV-68")
@pytest.mark.parametrize(
    "other", [{"prompt": "Bye"}, {"sessionId": "s-2"}, {"pageContext": {"pathname": "/tags"}}]
)
def test_another_body_under_the_same_key_is_refused(ask: Ask, other: dict[str, Any]) -> None:
    ask("k-1")

    with pytest.raises(IdempotencyKeyReused):
        ask("k-1", **other)
    assert Run.objects.count() == 1


@pytest.mark.req("OV-68")
def test_after_ten_minutes_a_key_is_new_again(ask: Ask) -> None:
    first = ask("k-1")
    row = IdempotencyKey.objects.get()
    assert timedelta(minutes=9) < row.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    IdempotencyKey.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    second = ask("k-1", prompt="Bye")

    assert second != first
    assert repeated(ask, "k-1", prompt="Bye") == second


@pytest.mark.req("OV-68")
def test_keys_belong_to_their_owner(ask: Ask, cyd: User) -> None:
    assert ask("k-1") != ask("k-1", user=cyd)


@pytest.mark.req("OV-68")
def test_a_start_that_failed_leaves_the_key_free(
    ask: Ask, cyd: User, queue: RecordingQueue
) -> None:
    ask(sessionId="s-1", user=cyd)
    with pytest.raises(SessionForbidden):
        ask("k-1", sessionId="s-1")
    queue.is_down = True
    with pytest.raises(QueueUnavailable):
        ask("k-1")
    queue.is_down = False

    run_id = ask("k-1")

    assert Run.objects.get(pk=run_id).status == "queued"


@pytest.mark.req("OV-68", "OV-24")
def test_a_repeat_is_no_further_run_of_a_full_session(ask: Ask) -> None:
    first = ask("k-0", sessionId="s-1")
    for number in range(1, 4):
        ask(f"k-{number}", sessionId="s-1")
    with pytest.raises(SessionBusy):
        ask("k-4", sessionId="s-1")

    assert repeated(ask, "k-0", sessionId="s-1") == first


# A message that the browser sends again ---------------------------------------------------------


@pytest.mark.req("OV-68", "OV-14")
def test_the_same_message_of_a_session_begins_one_run(ask: Ask) -> None:
    run_id = ask(sessionId="s-1", history=message("m-1"))

    assert repeated(ask, sessionId="s-1", history=message("m-1")) == run_id
    assert Run.objects.count() == 1


@pytest.mark.req("OV-68")
@pytest.mark.parametrize(
    "other",
    [
        {"sessionId": "s-1", "history": message("m-2")},
        {"sessionId": "s-2", "history": message("m-1")},
        {"sessionId": "s-1", "history": message("m-1", "Bye"), "prompt": "Bye"},
        {"sessionId": "s-1", "history": message("m-1")[:1]},
        {"sessionId": "s-1"},
    ],
)
def test_anything_else_is_a_message_of_its_own(ask: Ask, other: dict[str, Any]) -> None:
    ask(sessionId="s-1", history=message("m-1"))

    ask(**other)

    assert Run.objects.count() == 2


@pytest.mark.req("OV-68")
def test_without_a_session_or_an_id_nothing_is_taken_for_a_repeat(ask: Ask) -> None:
    for _ in range(2):
        ask(history=message("m-1"))
        ask(sessionId="s-1", history=message(""))

    assert Run.objects.count() == 4
    assert not IdempotencyKey.objects.exists()


@pytest.mark.req("OV-68")
def test_a_message_is_known_for_a_minute(ask: Ask) -> None:
    ask(sessionId="s-1", history=message("m-1"))

    left = IdempotencyKey.objects.get().expires_at - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


@pytest.mark.req("OV-68")
def test_a_key_of_the_client_wins_over_the_message(ask: Ask) -> None:
    first = ask("k-1", sessionId="s-1", history=message("m-1"))
    second = ask("k-2", sessionId="s-1", history=message("m-1"))

    assert first != second


# Many at once, and what is left -----------------------------------------------------------------


@pytest.mark.req("OV-68")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", ["key", "message"])
def test_fifty_at_once_begin_one_run(ask: Ask, queue: RecordingQueue, by: str) -> None:
    def once(_: int) -> UUID:
        try:
            if by == "key":
                return ask("k-1", sessionId="s-1")
            return ask(sessionId="s-1", history=message("m-1"))
        except RunRepeated as earlier:
            return earlier.run_id
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(once, range(50)))

    assert found == set(queue.run_ids) == set(Run.objects.values_list("pk", flat=True))
    assert len(found) == 1


@pytest.mark.req("OV-68")
def test_what_is_over_is_forgotten(ask: Ask) -> None:
    ask("old")
    IdempotencyKey.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    ask("new")

    assert keys_prune() == 1
    assert [row.key for row in IdempotencyKey.objects.all()] == ["new"]
    assert keys_prune() == 0


@pytest.mark.req("IN-53")
def test_a_clock_that_is_ahead_forgets_no_key(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=2)

    ask("k1")
    monkeypatch.setattr(idempotency, "datetime", Ahead, raising=False)

    assert keys_prune() == 0
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.req("OV-73")
def test_keys_go_with_their_run(ask: Ask) -> None:
    Run.objects.filter(pk=ask("k-1")).delete()

    assert not IdempotencyKey.objects.exists()
