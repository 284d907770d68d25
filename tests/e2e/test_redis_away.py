"""Redis that restarts, forgets, hangs or is gone."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.followers import assert_told_once, following
from tests.e2e.sse import SILENCE_S, Stream
from tests.e2e.stack import Shape, Stack, health, wait_until
from tests.modelserver.script import tokens

pytestmark = pytest.mark.e2e

#: Five words, five more when they are released, and again.
THREE_PARTS = "held-5x3"
WHOLE = "".join(tokens(15))


@pytest.fixture(scope="module")
def shape() -> Shape:
    """A reader never hears a heartbeat here, nor may wait so long for what it missed."""
    assert SILENCE_S < 60
    return Shape(env={"TASKMAPR_HEARTBEAT_SECONDS": "60"})


def assert_whole(stack: Stack, stream: Stream) -> None:
    """Every event once, in order, and the same as the stored log says."""
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert stream.text == WHOLE
    seqs = [frame.seq for frame in stream.frames if frame.id]
    assert seqs == sorted(set(seqs))
    stack.wait_for_end(stream.run_id)
    again = stack.resume(stream.run_id, None)
    again.rest()
    assert [f.body for f in stream.frames if f.id] == [f.body for f in again.frames if f.id]


@pytest.mark.req("OV-04", "OV-64")
@pytest.mark.parametrize("with_data", [True, False])
def test_a_restart_in_mid_stream_is_not_noticed(stack: Stack, with_data: bool) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    stack.redis_kill(with_data=with_data)
    stack.models.release(THREE_PARTS, 1)
    stack.redis_server.start()
    stream.read_words(10)
    stack.models.release(THREE_PARTS)
    assert_whole(stack, stream)


@pytest.mark.req("TQ-26", "TQ-41")
@pytest.mark.parametrize("with_data", [True, False])
def test_a_restart_in_the_middle_of_a_task_is_not_noticed_by_its_followers(
    stack: Stack, with_data: bool
) -> None:
    name = f"restart-{with_data}"
    task_id = stack.assign_held(name, steps=40, held_after=5)
    with following(stack, task_id) as follower:
        follower.until_lines(5)
        stack.redis_kill(with_data=with_data)
        stack.let_go(name)
        stack.redis_server.start()
        assert follower.rest() == 1000
    assert_told_once(follower.messages, 40)


@pytest.mark.req("OV-64")
@pytest.mark.parametrize("with_data", [True, False])
def test_after_a_restart_new_prompts_are_answered(stack: Stack, with_data: bool) -> None:
    stack.redis_restart(with_data=with_data)
    stream = stack.ask("Hello", model="text-5")
    assert stream.status == 200
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"


@pytest.mark.req("OV-04", "OV-64")
def test_without_redis_a_stream_goes_on_from_the_database(stack: Stack) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    stack.redis_kill()
    try:
        stack.models.release(THREE_PARTS, 1)
        stream.read_words(10)
        stack.models.release(THREE_PARTS)
        assert_whole(stack, stream)
    finally:
        stack.redis_server.start()


@pytest.mark.req("OV-04", "OV-22")
def test_without_redis_a_cut_stream_can_be_resumed(stack: Stack) -> None:
    first = stack.ask("count", model=THREE_PARTS)
    first.read_words(5)
    first.cut()
    stack.redis_kill()
    try:
        second = stack.resume(first.run_id, first.last_id)
        stack.models.release(THREE_PARTS)
        second.rest()
        assert first.text + second.text == WHOLE
    finally:
        stack.redis_server.start()


@pytest.mark.req("OV-04")
def test_a_reader_that_came_while_redis_was_away_follows_it_when_it_is_back(stack: Stack) -> None:
    first = stack.ask("count", model=THREE_PARTS)
    first.read_words(5)
    stack.redis_kill()
    first.cut()
    second = stack.resume(first.run_id, None)
    stack.models.release(THREE_PARTS, 1)
    second.read_words(10)
    stack.redis_server.start()
    with stack.redis() as client:
        channel = f"tm:live:{first.run_id}"
        wait_until(lambda: client.pubsub_numsub(channel)[0][1] == 1)
    stack.models.release(THREE_PARTS)
    assert_whole(stack, second)


@pytest.mark.req("OV-04", "OV-64")
def test_a_hanging_redis_holds_nothing_up_for_long(stack: Stack) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    process = stack.redis_server.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        stack.models.release(THREE_PARTS, 1)
        stream.read_words(10)
    finally:
        process.send_signal(signal.SIGCONT)
    stack.models.release(THREE_PARTS)
    assert_whole(stack, stream)


@pytest.mark.req("OV-64", "OV-08")
def test_before_the_stream_it_is_a_503_and_leaves_nothing_behind(stack: Stack) -> None:
    stack.redis_kill()
    try:
        before = stack.rows("SELECT count(*) FROM agent_runs WHERE status = 'queued'")
        answer = stack.ask("Hello", model="echo")
        problem = answer.json()
        assert (answer.status, problem["code"]) == (503, "queue_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert stack.rows("SELECT count(*) FROM agent_runs WHERE status = 'queued'") == before

        def is_known() -> bool:
            status, body = health(stack)
            return (status, body["status"], body["redis"]) == (503, "unhealthy", "not connected")

        wait_until(is_known)
    finally:
        stack.redis_server.start()
    wait_until(lambda: health(stack)[0] == 200)


@pytest.mark.req("OV-23", "OV-04")
def test_while_nobody_can_tell_who_reads_no_run_is_cancelled(stack: Stack) -> None:
    stream = stack.ask("count", model=THREE_PARTS)
    stream.read_words(5)
    stack.redis_kill()
    try:
        stack.wait_past_grace(stream.run_id)
        assert stack.run(stream.run_id)["status"] == "running"
    finally:
        stack.redis_server.start()
    stack.models.release(THREE_PARTS)
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"


@pytest.mark.req("OV-64", "TQ-18")
def test_none_of_it_ended_a_worker(stack: Stack) -> None:
    """Last in this file: a worker that ends takes the runs it carries with it."""
    assert "Unrecoverable error" not in stack.logs()
