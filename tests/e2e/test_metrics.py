"""Figures of real processes: what any web process shows is what all of them did."""

from __future__ import annotations

from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.stack import Stack, wait_until

pytestmark = pytest.mark.e2e


def figures(stack: Stack, web: int = 0) -> dict[tuple[str, frozenset[str]], float]:
    """By name and the values of labels."""
    with urlopen(f"{stack.address(web)}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(stack: Stack, name: str, *labels: str, web: int = 0) -> float:
    return figures(stack, web).get((f"taskmapr_{name}", frozenset(labels)), 0)


@pytest.mark.req("OV-67")
def test_a_run_is_in_the_figures_of_every_web_process(stack: Stack) -> None:
    read = {"name": "test_read", "arguments": {"line": "x"}, "id": "call_1"}
    stack.models.script("scripted", {"tool_calls": [read]}, {"text": ["One", " two"]})
    wait_until(lambda: figure(stack, "open_streams", web=1) == 0)
    before = figures(stack, 1)
    sessions = ("taskmapr_messages_per_session_count", frozenset[str]())
    stack.ask("Hello", model="scripted", session="measured", web=0).rest()
    wait_until(lambda: figures(stack, 1).get(sessions, 0) == before.get(sessions, 0) + 1)
    after = figures(stack, 1)

    def grown(name: str, *labels: str) -> float:
        key = (f"taskmapr_{name}", frozenset(labels))
        return after.get(key, 0) - before.get(key, 0)

    assert grown("requests_total", "/api/taskmapr/orchestrate", "POST", "200") == 1
    assert grown("stream_duration_seconds_count") == 1
    assert grown("time_to_first_token_seconds_count") == 1
    assert grown("messages_per_session_sum") == 2
    assert grown("tool_calls_total", "test.read", "test", "completed") == 1
    assert grown("session_persistence_total", "database") == 1
    for name in ("db", "redis", "llm"):
        assert after["taskmapr_dependency_up", frozenset([name])] == 1
    assert after["taskmapr_open_streams", frozenset()] == 0


@pytest.mark.req("OV-67")
def test_a_stream_is_open_while_it_lasts_and_its_failure_is_counted(stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["One"], "held_after": [0]})
    stream = stack.ask("Hello", model="scripted")
    wait_until(lambda: figure(stack, "active_sessions", web=1) == 1)
    assert figure(stack, "open_streams", web=1) == 1
    stack.models.release("scripted")
    stream.rest()
    wait_until(lambda: figure(stack, "open_streams") == figure(stack, "active_sessions") == 0)

    failed = ("errors_total", "/api/taskmapr/orchestrate", "llm_unavailable")
    before = figure(stack, *failed)
    stack.ask("Hello", model="unreachable").rest()
    wait_until(lambda: figure(stack, *failed, web=1) == before + 1)
    assert figure(stack, "dependency_up", "llm") == 0


@pytest.mark.req("OV-67")
def test_what_a_killed_worker_carried_is_not_active_for_ever(stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["Never"], "first_byte_ms": 60_000})
    stream = stack.ask("Hello", model="scripted")
    wait_until(lambda: figure(stack, "active_sessions") == 1)
    stream.cut()
    stack.workers[0].kill()

    assert figure(stack, "active_sessions") == 0
    # It is asked again, and must not be while others count what the model was asked.
    stack.start()
    stack.wait_for_end(stream.run_id)


@pytest.mark.req("OV-67")
def test_a_proxy_on_the_machine_does_not_open_it_to_others(stack: Stack) -> None:
    answer = stack.get("/metrics", **{"X-Forwarded-For": "203.0.113.7"})

    assert answer.status == 403
