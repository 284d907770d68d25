"""/admin/orchestration/circuitsetting/now/: how circuits are, and closing one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.test import Client

from orchestration.adapters.model_routes import RoutedModel
from orchestration.adapters.openai_chat import OpenAIChatModel
from orchestration.models import CircuitSetting
from taskmapr.core.errors import CircuitOpen, ModelFailed, UpstreamError
from taskmapr.core.ports import ModelEndpoint, ModelRequest
from taskmapr.foundation.http import breaker_settings, breakers
from taskmapr.foundation.http.breaker_states import circuit_numbers, circuits_now
from taskmapr.foundation.http.breakers import circuit
from taskmapr.foundation.telemetry.metrics import Now, metrics_text
from tests.orchestration.adapters.conformance import Heard
from tests.orchestration.admin.conftest import staff_in

NOW = "/admin/orchestration/circuitsetting/now/"


@pytest.fixture(autouse=True)
def own_redis(redis_url: str, settings: Any) -> Iterator[None]:
    settings.TASKMAPR_AIO_INLINE = True
    breakers.forget()
    breaker_settings.limits_forget()
    yield
    breakers.forget()
    breaker_settings.limits_forget()


def fail(times: int) -> None:
    async def failing() -> None:
        async with circuit("flow:n8n"):
            raise UpstreamError

    for _ in range(times):
        with pytest.raises(UpstreamError):
            async_to_sync(failing)()


@pytest.mark.req("IN-31", "IN-47")
def test_shows_what_failed_and_closes_it(admin_client: Client) -> None:
    assert "Everything works" in admin_client.get(NOW).content.decode()
    fail(5)
    page = admin_client.get(NOW).content.decode()
    assert "flow:n8n" in page
    assert 'data-status="failed">open<' in page

    closed = admin_client.post(NOW, {"service": "flow:n8n"})

    assert closed.status_code == 302
    assert circuits_now()[0].state == "closed"
    assert "circuit of flow:n8n closed" in str(LogEntry.objects.get().change_message)


@pytest.mark.req("IN-31", "IN-47")
def test_offers_to_close_only_what_is_not_closed(admin_client: Client) -> None:
    fail(4)
    page = admin_client.get(NOW).content.decode()
    assert "Forget failures" in page
    assert "Close it" not in page

    fail(1)

    assert "Close it" in admin_client.get(NOW).content.decode()
    admin_client.post(NOW, {"service": "flow:n8n"})
    page = admin_client.get(NOW).content.decode()
    assert "Close it" not in page
    assert "Forget failures" not in page


@pytest.mark.req("IN-31")
def test_a_provider_of_models_is_there_like_the_others(admin_client: Client) -> None:
    endpoint = ModelEndpoint(model="m", base_url="http://127.0.0.1:1/v1", timeout_s=5)

    async def asked() -> None:
        port = RoutedModel({"openai": (adapter := OpenAIChatModel())})
        request = ModelRequest(endpoint=endpoint, instructions="", messages=[])
        try:
            for _ in range(5):
                with pytest.raises(ModelFailed):
                    await port.respond(request, Heard())
        finally:
            await adapter.close()

    async_to_sync(asked)()

    page = admin_client.get(NOW).content.decode()
    assert "model:127.0.0.1:1" in page
    assert circuit_numbers() == {"model:127.0.0.1:1": 2.0}


@pytest.mark.req("IN-31", "IN-48")
def test_numbers_of_its_own_hold_at_once(admin_client: Client) -> None:
    saved = admin_client.post(
        "/admin/orchestration/circuitsetting/add/",
        {"service": "flow:n8n", "failures": 2, "window_s": 60, "open_s": 9, "successes": 1},
    )
    assert saved.status_code == 302

    fail(2)

    with pytest.raises(CircuitOpen) as refused:
        async_to_sync(_call)()
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 9
    assert CircuitSetting.objects.count() == 1


async def _call() -> None:
    async with circuit("flow:n8n"):
        pass


@pytest.mark.req("IN-31")
def test_who_may_only_look_closes_nothing(client: Client, db: None) -> None:
    watcher = staff_in(client, "view_circuitsetting")
    fail(5)

    assert "Close it" not in watcher.get(NOW).content.decode()
    assert watcher.post(NOW, {"service": "flow:n8n"}).status_code == 403
    assert circuits_now()[0].state == "open"


def test_who_may_not_look_sees_nothing(client: Client, db: None) -> None:
    assert staff_in(client, "view_run").get(NOW).status_code == 403


def test_says_so_while_redis_is_away(admin_client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert "Redis is away" in admin_client.get(NOW).content.decode()
    assert circuit_numbers() == {}


@pytest.mark.req("IN-31")
def test_figures_tell_the_state_of_each_circuit(db: None) -> None:
    fail(5)

    text = metrics_text(Now(circuits=circuit_numbers())).decode()

    assert 'taskmapr_circuit_state{service="flow:n8n"} 2.0' in text
