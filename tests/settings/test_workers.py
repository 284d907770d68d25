"""taskmapr/settings/workers.py: what it makes of the environment, and what it refuses."""

from __future__ import annotations

import os

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.env import Env
from taskmapr.settings.workers import flower_of, queues_of, result_backend_of


@pytest.mark.req("TQ-18", "TQ-35")
def test_ordinary_workers_leave_out_what_has_processes_of_its_own() -> None:
    queues = queues_of(Env({}))

    assert set(queues.shared) & {"browser", "long"} == set()
    assert queues.own_process == ["browser", "long"]
    assert set(queues.all) >= {"agent", "default", "browser", "long", "deliveries", "chores"}
    assert queues.processes == os.cpu_count()


def test_one_worker_for_all_needs_no_second_one() -> None:
    queues = queues_of(Env({"TASKMAPR_WORKER_QUEUES": "default,browser,long"}))

    assert (queues.shared, queues.own_process) == (["default", "browser", "long"], [])


@pytest.mark.req("TQ-35")
@pytest.mark.parametrize("value", ["0", "many", "-2", "1.5"])
def test_so_many_processes_cannot_be(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^CELERY_CONCURRENCY must be"):
        queues_of(Env({"CELERY_CONCURRENCY": value}))


@pytest.mark.req("TQ-35")
@pytest.mark.parametrize(
    ("given", "backend"),
    [
        ("", "redis://queue:6379/0"),
        ("redis://results:6379/1", "redis://results:6379/1"),
        ("rediss://results:6379/1", "rediss://results:6379/1?ssl_cert_reqs=required"),
        ("disabled", "disabled://"),
    ],
)
def test_results_lie_beside_the_queue_unless_told_otherwise(given: str, backend: str) -> None:
    found = result_backend_of(Env({"CELERY_RESULT_BACKEND": given}), "redis://queue:6379/0")

    assert found == backend


@pytest.mark.req("TQ-35")
def test_what_is_no_place_for_results_is_said() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^CELERY_RESULT_BACKEND must be"):
        result_backend_of(Env({"CELERY_RESULT_BACKEND": "yes"}), "redis://queue:6379/0")


@pytest.mark.req("TQ-35", "TQ-37")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLOWER_PORT", "0"),
        ("FLOWER_PORT", "65536"),
        ("FLOWER_PORT", "http"),
        ("FLOWER_BASIC_AUTH", "hunter2"),
        ("FLOWER_BASIC_AUTH", "ada:hunter2,ben"),
        ("FLOWER_BASIC_AUTH", ":hunter2"),
    ],
)
def test_a_bad_value_is_one_line_without_secrets(variable: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{variable} must be") as refused:
        flower_of(Env({variable: value}))

    assert "hunter2" not in str(refused.value)


@pytest.mark.req("TQ-37")
@pytest.mark.parametrize(
    ("host", "users", "is_open"),
    [
        ("", "", False),
        ("::1", "", False),
        ("localhost", "", False),
        ("0.0.0.0", "", True),
        ("10.0.0.7", "", True),
        ("0.0.0.0", "ada:hunter2", False),
    ],
)
def test_flower_is_open_where_others_come_in_without_a_name(
    host: str, users: str, is_open: bool
) -> None:
    flower = flower_of(Env({"FLOWER_ADDRESS": host, "FLOWER_BASIC_AUTH": users}))

    assert flower.is_open is is_open
    assert flower.port == 5555
    assert "hunter2" not in repr(flower)
