"""`/ws/task/{task_id}`: who gets in, by which way, and how the others are told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.conf import LazySettings

from taskmapr.core.ids import uuid7
from taskmapr.users.development import keys_forget
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import api_key_issue
from taskmapr.users.services.sign_ins import tokens_issue
from tests.sockets.conftest import PATIENCE_S, connected, knocking

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(ada: User) -> str:
    return tokens_issue(user_id=ada.pk).access_token


@pytest.fixture
def overlay_key(ada: User) -> str:
    return str(api_key_issue(user_id=ada.pk, name="o", scopes=["overlay"]).text)


@pytest.fixture(autouse=True)
def _keys_are_asked_for_anew() -> Any:
    keys_forget()
    yield
    keys_forget()


@pytest.mark.req("TQ-24")
async def test_a_key_in_a_header(task: UUID, key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24")
async def test_a_token_in_a_header(task: UUID, token: str) -> None:
    async with connected(f"/ws/task/{task}", authorization=f"Bearer {token}") as client:
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24")
async def test_a_key_in_the_address(task: UUID, key: str) -> None:
    async with connected(f"/ws/task/{task}?after=0&api_key={key}") as client:
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24")
async def test_an_address_with_many_members_is_read_all_the_same(task: UUID, key: str) -> None:
    others = "&".join(f"a{number}=1" for number in range(100))
    async with connected(f"/ws/task/{task}?{others}&api_key={key}") as client:
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24")
async def test_a_token_in_the_address(task: UUID, token: str) -> None:
    async with connected(f"/ws/task/{task}?token={token}") as client:
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24")
@pytest.mark.parametrize("field", ["api_key", "token"])
async def test_the_first_message(task: UUID, key: str, token: str, field: str) -> None:
    async with connected(f"/ws/task/{task}") as client:
        await client.say({"type": "auth", field: {"api_key": key, "token": token}[field]})

        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24", "TQ-S5")
@pytest.mark.parametrize(
    "said",
    [
        {"type": "auth"},
        {"type": "auth", "api_key": 5},
        {"type": "auth", "api_key": "tm_wrong"},
        {"type": "auth", "token": "x.y.z"},
        {"type": "ping"},
        "not json",
        "x" * 20_000,
    ],
)
async def test_another_first_message_ends_it(task: UUID, key: str, said: Any) -> None:
    async with connected(f"/ws/task/{task}") as client:
        await client.say(said)

        assert await client.closed() == 4401


@pytest.mark.req("TQ-24")
async def test_who_says_nothing_is_late(
    task: UUID, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.consumers.task.AUTH_S", 0.05)
    async with connected(f"/ws/task/{task}") as client:
        assert await client.closed() == 4408


@pytest.mark.req("TQ-24")
@pytest.mark.parametrize("wrong", ["tm_wrong", "rubbish", "é"])
async def test_a_wrong_key(task: UUID, key: str, wrong: str) -> None:
    async with connected(f"/ws/task/{task}?api_key={wrong}") as client:
        assert await client.closed() == 4401


@pytest.mark.req("TQ-24", "TQ-02")
async def test_a_key_that_may_not_read_tasks(task: UUID, overlay_key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=overlay_key) as client:
        assert await client.closed() == 4401


@pytest.mark.req("TQ-24")
async def test_two_credentials_of_two_users(task: UUID, key: str, cyd_key: str) -> None:
    async with connected(f"/ws/task/{task}?api_key={cyd_key}", x_api_key=key) as client:
        assert await client.closed() == 4401


@pytest.mark.req("TQ-24")
@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        ("http://testserver", True),
        ("https://app.example.org", True),
        ("https://evil.example.org", False),
        ("null", False),
    ],
)
async def test_pages_of_other_origins_are_refused(
    task: UUID,
    key: str,
    origin: str,
    is_welcome: bool,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    monkeypatch.setattr("orchestration.consumers.task._known", None)
    async with knocking(f"/ws/task/{task}", x_api_key=key, origin=origin) as client:
        answer = await client.wire.receive_output(PATIENCE_S)

    assert (answer["type"] == "websocket.accept") is is_welcome


@pytest.mark.req("TQ-24", "TQ-02")
@pytest.mark.parametrize(
    ("peer", "host", "is_let_in"),
    [("127.0.0.1", "localhost", True), ("203.0.113.7", "localhost", False)],
)
async def test_a_developers_machine_needs_no_key(
    settings: LazySettings, peer: str, host: str, is_let_in: bool, dev_task: UUID
) -> None:
    settings.ENV, settings.EMBEDDED_POSTGRES, settings.EMBEDDED_REDIS = "dev", True, True
    async with connected(f"/ws/task/{dev_task}", peer=peer, host=host) as client:
        if is_let_in:
            assert (await client.hear())["type"] == "snapshot"
        else:
            await client.say({"type": "ping"})
            assert await client.closed() == 4401


@pytest.fixture
def developers_machine(settings: LazySettings) -> dict[str, str]:
    """How a client on it knocks."""
    settings.ENV, settings.EMBEDDED_POSTGRES, settings.EMBEDDED_REDIS = "dev", True, True
    return {"peer": "127.0.0.1", "host": "localhost"}


@pytest.mark.req("TQ-24", "TQ-03")
async def test_who_signed_in_there_follows_what_is_theirs(
    developers_machine: dict[str, str], task: UUID, token: str
) -> None:
    async with connected(f"/ws/task/{task}", **developers_machine) as client:
        await client.say({"type": "auth", "token": token})
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-24")
async def test_to_say_who_is_there_is_no_mistake_there(
    developers_machine: dict[str, str], dev_task: UUID, token: str
) -> None:
    async with connected(f"/ws/task/{dev_task}", **developers_machine) as client:
        await client.say({"type": "auth", "token": token})
        await client.say({"type": "ping"})
        assert [(await client.hear())["type"] for _ in range(2)] == ["snapshot", "pong"]


@pytest.mark.req("TQ-24", "TQ-03")
@pytest.mark.parametrize("is_there", [True, False])
async def test_tasks_of_others_are_not_found_there(
    developers_machine: dict[str, str],
    is_there: bool,
    task: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What is not there is not waited for.
    monkeypatch.setattr("orchestration.consumers.task.AUTH_S", 0.1 if is_there else 2 * PATIENCE_S)
    named = task if is_there else uuid7()
    async with connected(f"/ws/task/{named}", **developers_machine) as client:
        assert await client.closed() == 4404


@pytest.mark.parametrize("path", ["/ws", "/ws/task/", "/ws/task/a/b", "/", "/orchestrate"])
async def test_nothing_else_is_a_socket(path: str) -> None:
    async with knocking(path) as client:
        answer = await client.wire.receive_output(PATIENCE_S)

    assert answer["type"] == "websocket.close"
