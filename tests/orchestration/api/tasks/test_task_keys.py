"""Who is let in to the task queue, and what is told to those who are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from orchestration.admin.run_again import run_again
from orchestration.models import Run
from taskmapr.users.development import keys_forget
from taskmapr.users.models import ApiKey, User
from tests.orchestration.api.conftest import Call

KeyOf = Callable[..., dict[str, str]]
TEST = {"task_type": "test_task", "params": {"test": True}}
MISSING = "01900000-0000-7000-8000-000000000000"
ADDRESSES = [
    ("POST", "/assign-task/"),
    ("GET", f"/result/{MISSING}"),
    ("GET", "/tasks/"),
    ("GET", "/tasks/runs/"),
    ("POST", f"/tasks/{MISSING}/cancel"),
    ("POST", f"/tasks/{MISSING}/retry"),
    ("POST", f"/tasks/{MISSING}/confirm"),
]

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-02", "TQ-S2")]


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_without_a_key(call: Call, method: str, path: str) -> None:
    answer = call(method, path, TEST, user=None)

    assert (answer.status, answer.json["code"]) == (401, "missing_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize(
    "header", [{"x-api-key": "wrong"}, {"x-api-key": "tm_x"}, {"authorization": "Bearer tm_x"}]
)
def test_with_a_wrong_key(call: Call, method: str, path: str, header: dict[str, str]) -> None:
    answer = call(method, path, TEST, user=None, **header)
    assert (answer.status, answer.json["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("change", ["revoked_at", "expires_at"])
def test_with_a_key_whose_time_is_over(call: Call, ada: User, key_of: KeyOf, change: str) -> None:
    key = key_of(ada)
    ApiKey.objects.update(**{change: timezone.now() - timedelta(seconds=1)})

    answer = call("POST", "/assign-task", TEST, user=None, **key)

    assert (answer.status, answer.json["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("token", "code"),
    [("Bearer x", "invalid_token"), ("Basic eDp5", "invalid_scheme")],
)
def test_a_persons_bad_token_is_called_what_it_is(call: Call, token: str, code: str) -> None:
    answer = call("GET", "/tasks", user=None, authorization=token)
    assert (answer.status, answer.json["code"]) == (401, code)


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_with_a_key_for_something_else(
    call: Call, ada: User, key_of: KeyOf, method: str, path: str
) -> None:
    answer = call(method, path, TEST, user=None, **key_of(ada, "metrics"))
    assert (answer.status, answer.json["code"]) == (403, "scope_missing")


def test_a_reading_key_assigns_nothing(call: Call, ada: User, key_of: KeyOf) -> None:
    answer = call("POST", "/assign-task", TEST, user=None, **key_of(ada, "tasks:read"))

    assert (answer.status, answer.json["code"]) == (403, "scope_missing")
    assert not Run.objects.exists()


@pytest.mark.parametrize("how", ["x-api-key", "authorization"])
def test_a_key_is_taken_in_either_header(call: Call, ada: User, key_of: KeyOf, how: str) -> None:
    text = key_of(ada)["x-api-key"]
    header = {how: text if how == "x-api-key" else f"Bearer {text}"}

    assert call("POST", "/assign-task", TEST, user=None, **header).status == 200
    task = Run.objects.get()
    assert (task.owner_id, task.credential) == (ada.pk, f"key:{ApiKey.objects.get().pk}")


def test_a_key_works_from_its_network_only(call: Call, ada: User, key_of: KeyOf) -> None:
    here = key_of(ada, networks=("127.0.0.0/8",))
    elsewhere = key_of(ada, networks=("10.0.0.0/8",))

    assert call("GET", "/tasks", user=None, **here).status == 200
    answer = call("GET", "/tasks", user=None, **elsewhere)
    assert (answer.status, answer.json["code"]) == (403, "not_allowed")


@pytest.mark.req("OV-55")
def test_on_an_untouched_machine_no_key_is_needed(call: Call, settings: Any) -> None:
    settings.ENV = "dev"
    settings.EMBEDDED_POSTGRES = settings.EMBEDDED_REDIS = True
    keys_forget()

    client = Client(headers={"host": "localhost"})

    def assigned(**headers: str) -> Any:
        return client.post("/assign-task/", TEST, "application/json", headers=headers)

    here, elsewhere = assigned(), assigned(x_forwarded_for="1.2.3.4")
    keys_forget()

    assert (here.status_code, here.json()["status"]) == (200, "assigned")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (401, "missing_api_key")


@pytest.mark.req("TQ-34")
def test_a_key_for_certain_intents_is_for_no_others_as_tasks(
    call: Call, ada: User, key_of: KeyOf
) -> None:
    key = key_of(ada, "tasks:assign", "intents:run", intents=["memory.*"])

    def answer(intent: str) -> Any:
        order = {"task_type": "intent", "params": {"intent": intent, "inputs": {}}}
        return call("POST", "/assign-task", order, user=None, **key)

    refused = answer("knowledge.list_knowledge_collections")
    assert (refused.status, refused.json["code"]) == (403, "scope_missing")
    assert not Run.objects.exists()
    assert answer("memory.search").status == 200


@pytest.mark.req("TQ-34")
def test_a_model_is_offered_what_the_key_is_for(call: Call, ada: User, key_of: KeyOf) -> None:
    """The task keeps it: the key may be gone when its time comes."""
    key = key_of(ada, "tasks:assign", "intents:run", intents=["memory.*"])
    order = {"task_type": "agent_prompt", "params": {"prompt": "What?"}}

    assert call("POST", "/assign-task", order, user=None, **key).status == 200
    task = Run.objects.get()
    assert task.input["settings"]["intents"] == ["memory.*"]
    call("POST", f"/tasks/{task.pk}/cancel")
    task.refresh_from_db()
    again = Run.objects.get(pk=run_again(task).pk)
    assert again.input["settings"]["intents"] == ["memory.*"]
