"""Everything stops at once, the database too, and comes back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from taskmapr.stack.postgres import EmbeddedPostgres
from tests.e2e.cast import effects_file
from tests.e2e.sse import StreamCut
from tests.e2e.stack import Shape, Stack, place_make, wait_until
from tests.modelserver.process import ScriptedServer

pytestmark = pytest.mark.e2e


class WholeStack(Stack):
    """With a PostgreSQL of its own, which a test may kill."""

    postgres: EmbeddedPostgres

    def everything_crash(self) -> None:
        for process in self.processes:
            process.kill()
        self.redis_kill()
        self.postgres_kill()

    def postgres_kill(self) -> None:
        process = self.postgres.process
        assert process is not None
        process.kill()
        process.wait()

    def everything_start(self) -> None:
        self.postgres.start()
        self.redis_server.start()
        self.start()


@pytest.fixture(scope="module")
def whole(
    database_fill: Callable[[EmbeddedPostgres], None], models: ScriptedServer
) -> Iterator[WholeStack]:
    place = place_make()
    postgres = EmbeddedPostgres(place)
    postgres.start()
    database_fill(postgres)
    stack = WholeStack(place, postgres.url, models, Shape())
    stack.postgres = postgres
    try:
        stack.start()
        yield stack
    finally:
        stack.end()
        postgres.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.req("OV-01", "OV-22")
def test_a_run_that_waits_for_a_person_outlives_everything(whole: WholeStack) -> None:
    permitted = {"name": "test_permitted_write", "arguments": {"line": "done"}, "id": "call_1"}
    whole.models.script("scripted", {"tool_calls": [permitted]}, {"text": "Finished."})
    first = whole.ask("write", model="scripted")
    whole.wait_for_status(first.run_id, "paused")
    while first.types[-1:] != ["tool_call_started"]:
        first.next()
    whole.everything_crash()
    with pytest.raises(StreamCut):
        first.rest()
    whole.everything_start()

    (question,) = whole.get(f"/api/taskmapr/runs/{first.run_id}").json()["waits_for"]
    second = whole.resume(first.run_id, first.last_id)
    path = f"/api/taskmapr/approvals/{question['approval_id']}"
    assert whole.post(path, {"decision": "approved"}).status == 200
    second.rest()
    assert second.text == "Finished."
    assert second.frames[-1].data["status"] == "succeeded"
    assert effects_file(whole.place).read_text() == "done\n"
    again = whole.post(path, {"decision": "approved"})
    assert again.status == 409


@pytest.mark.req("OV-65")
def test_a_run_under_way_is_found_again(whole: WholeStack) -> None:
    whole.models.reset()
    whole.models.script("scripted", {"text": "x", "first_byte_ms": 60_000}, {"text": "Whole."})
    first = whole.ask("Hello", model="scripted")
    wait_until(lambda: bool(whole.models.requests("scripted")))
    whole.everything_crash()
    whole.everything_start()
    second = whole.resume(first.run_id, None)
    second.rest()
    assert second.text == "Whole."


@pytest.mark.req("OV-63")
def test_a_stream_goes_on_while_the_database_restarts(whole: WholeStack) -> None:
    stream = whole.ask("count", model="held-5x3")
    stream.read_words(5)
    whole.postgres_kill()
    whole.models.release("held-5x3", 1)
    stream.read_words(10)
    whole.postgres.start()
    whole.models.release("held-5x3")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    row = whole.wait_for_end(stream.run_id)
    assert row["last_seq"] == stream.frames[-1].seq
    stored = [event["seq"] for event in whole.events(stream.run_id)]
    assert stored == list(range(1, row["last_seq"] + 1))

    whole.start()  # beat left with its lock; its supervisor would start another
    following = whole.ask("Hello", model="text-5")
    following.rest()
    assert following.frames[-1].data["status"] == "succeeded"
