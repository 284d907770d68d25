"""Postgres that is stopped and comes back: chats go on, from Redis."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from taskmapr.stack.postgres import EmbeddedPostgres
from tests.e2e.cast import CYD
from tests.e2e.followers import assert_told_once, following
from tests.e2e.sse import Stream
from tests.e2e.stack import Shape, Stack, health, place_make, wait_until
from tests.modelserver.process import ScriptedServer

pytestmark = pytest.mark.e2e

#: Five words, five more when they are released, and again.
THREE_PARTS = "held-5x3"


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own: it is stopped and started at will."""
    place = place_make()
    server = EmbeddedPostgres(place, durable=False)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def module_stack(
    postgres: EmbeddedPostgres,
    database_fill: Callable[[EmbeddedPostgres], None],
    models: ScriptedServer,
) -> Iterator[Stack]:
    database_fill(postgres)
    place = place_make()
    stack = Stack(place, postgres.url, models, Shape(web=1, workers=1))
    try:
        stack.start()
        # Every process has met its user, its profile and its models once.
        models.release(THREE_PARTS)
        for model in ("echo", THREE_PARTS):
            answered(stack.ask("Hello", model=model))
        yield stack
    finally:
        stack.end()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def outage(stack: Stack, postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """Postgres is stopped; it is started again when the test is over, if the test did not."""
    postgres.stop()
    yield postgres
    if postgres.process is None:
        postgres.start()
    back_in_use(stack)


def back_in_use(stack: Stack) -> None:
    """Returns when new runs use Postgres and what began without it has been moved."""
    stack.start()  # beat leaves when it loses Postgres; in production something brings it back
    wait_until(lambda: persistence(stack.ask("Are you back?")) == "database")
    wait_until(lambda: not standing_by(stack))


def persistence(stream: Stream) -> str:
    return str(answered(stream).frames[0].data["persistence"])


def standing_by(stack: Stack) -> bool:
    with stack.redis() as client:
        return bool(client.scard("tm:standby:sessions"))


def answered(stream: Stream) -> Stream:
    assert stream.status == 200
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded", stream.frames[-1].data
    return stream


@pytest.mark.req("OV-63", "OV-S14", "OV-16", "OV-37")
def test_chats_go_on_and_remember(stack: Stack, outage: EmbeddedPostgres) -> None:
    session = f"away-{uuid4()}"
    first = answered(stack.ask("My colour is teal", session=session))
    head = first.frames[0].data
    assert head["persistence"] == "memory"
    assert "database is away" in " ".join(head["warnings"])
    second = answered(stack.ask("Which one?", session=session))
    asked = stack.models.requests()[-1]["body"]["messages"]
    assert [m["content"] for m in asked if m["role"] == "user"] == [
        "My colour is teal",
        "Which one?",
    ]
    assert second.frames[0].data["resumed"] is True
    wait_until(lambda: health(stack)[1]["persistence"] == "memory")
    assert (health(stack)[0], health(stack)[1]["status"]) == (200, "degraded")


@pytest.mark.req("OV-63", "OV-S14")
def test_when_it_is_back_new_runs_use_it_and_old_ones_are_moved(
    stack: Stack, outage: EmbeddedPostgres
) -> None:
    session = f"away-{uuid4()}"
    before = answered(stack.ask("While it was away", session=session))
    outage.start()
    back_in_use(stack)
    after = answered(stack.ask("And now?", session=session))
    assert after.frames[0].data["persistence"] == "database"
    row = stack.run(before.run_id)
    assert (row["status"], row["session_id"]) == ("succeeded", session)
    assert row["last_seq"] == len(stack.events(before.run_id))
    history = stack.get(f"/api/history/{session}").json()["messages"]
    assert [m["content"] for m in history if m["role"] == "user"] == [
        "While it was away",
        "And now?",
    ]
    again = stack.resume(before.run_id, None)
    again.rest()
    assert [f.body for f in again.frames if f.id] == [f.body for f in before.frames if f.id]


@pytest.mark.req("OV-63", "OV-22")
def test_a_stream_can_be_resumed_and_a_run_cancelled(
    stack: Stack, outage: EmbeddedPostgres
) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    cursor = stream.last_id
    stream.cut()
    again = stack.resume(stream.run_id, cursor)
    stack.models.release(THREE_PARTS, 1)
    again.read_words(5)
    assert again.frames[0].seq == stream.frames[-1].seq + 1
    assert stack.post(f"/api/taskmapr/runs/{stream.run_id}/cancel", {}).status == 202
    again.rest()
    assert again.frames[-1].data["status"] == "cancelled"


@pytest.mark.req("OV-63", "OV-47", "OV-S10")
def test_sessions_of_others_are_refused(stack: Stack, outage: EmbeddedPostgres) -> None:
    session = f"away-{uuid4()}"
    mine = answered(stack.ask("Mine", session=session))
    refused = stack.ask("Yours?", session=session, user=CYD)
    assert (refused.status, refused.json()["code"]) == (403, "session_forbidden")
    assert stack.get(f"/api/history/{session}", user=CYD).status == 404
    assert stack.resume(mine.run_id, None, user=CYD).status == 404
    # A reader hears the end a moment before it is stored.
    wait_until(lambda: len(stack.get(f"/api/history/{session}").json()["messages"]) == 2)


@pytest.mark.req("OV-63")
def test_sessions_known_from_before_stay_their_owners(
    stack: Stack, postgres: EmbeddedPostgres, request: pytest.FixtureRequest
) -> None:
    session = f"before-{uuid4()}"
    answered(stack.ask("Before the outage", session=session))
    with stack.redis() as client:
        wait_until(lambda: client.get(f"tm:standby:owner:{session}") is not None)
    request.getfixturevalue("outage")
    refused = stack.ask("Yours?", session=session, user=CYD)
    assert (refused.status, refused.json()["code"]) == (403, "session_forbidden")


@pytest.mark.req("OV-63")
def test_only_harmless_tools_are_offered(stack: Stack, outage: EmbeddedPostgres) -> None:
    answered(stack.ask("Hello"))
    (asked,) = stack.models.requests()[-1:]
    offered = {tool["function"]["name"] for tool in asked["body"]["tools"]}
    assert "ui_navigate" in offered
    assert not {name for name in offered if name.startswith("test_pay")}


@pytest.mark.req("OV-63", "OV-24")
def test_prompts_of_a_session_take_turns(stack: Stack, outage: EmbeddedPostgres) -> None:
    session = f"away-{uuid4()}"
    streams = [stack.ask("count", model=THREE_PARTS, session=session) for _ in range(4)]
    fifth = stack.ask("one too many", session=session)
    assert (fifth.status, fifth.json()["code"]) == (409, "session_busy")
    stack.models.release(THREE_PARTS)
    for stream in streams:
        answered(stream)


@pytest.mark.req("OV-63")
def test_a_stream_under_way_goes_on_across_the_outage(
    stack: Stack, postgres: EmbeddedPostgres, request: pytest.FixtureRequest
) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    request.getfixturevalue("outage")
    stack.models.release(THREE_PARTS, 1)
    stream.read_words(10)
    stack.models.release(THREE_PARTS)
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    postgres.start()
    assert stack.wait_for_end(stream.run_id)["status"] == "succeeded"
    seqs = [event["seq"] for event in stack.events(stream.run_id)]
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.req("TQ-24", "TQ-26")
def test_who_follows_a_task_misses_nothing_and_nobody_else_is_let_in(
    stack: Stack, postgres: EmbeddedPostgres, request: pytest.FixtureRequest
) -> None:
    task_id = stack.assign_held("across", steps=30, held_after=3)
    with following(stack, task_id) as follower:
        follower.until_lines(3)
        request.getfixturevalue("outage")
        stack.let_go("across")
        with following(stack, task_id) as late:
            assert late.rest() == 1013
        assert late.messages == []

        postgres.start()
        code = follower.rest()

    heard = follower.messages
    while code == 1013:
        with following(stack, task_id, after=heard[-1]["seq"]) as again:
            code = again.rest()
        heard = [*heard, *again.messages[1:]]
    assert code == 1000
    assert_told_once(heard, 30)


@pytest.mark.req("OV-63", "OV-65")
def test_a_worker_lost_in_the_outage_is_noticed(stack: Stack, outage: EmbeddedPostgres) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    stack.workers[0].kill()
    stack.workers[0].start()
    stream.rest()
    assert stream.frames[-1].data["status"] == "failed"
    assert [f.data["code"] for f in stream.frames if f.type == "error"] == ["worker_lost"]


@pytest.mark.req("OV-63")
def test_the_outage_is_one_warning_with_four_parts(stack: Stack, outage: EmbeddedPostgres) -> None:
    answered(stack.ask("Hello"))
    warnings = [line for line in stack.logs().splitlines() if "Postgres cannot be reached" in line]
    assert warnings
    assert all(word in warnings[-1] for word in ("Reason:", "Impact:", "Action:"))
