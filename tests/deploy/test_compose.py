"""compose.yaml: what runs, in which order, with which settings, and who can reach it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import get_commands

from tests.deploy.files import DATABASE_IMAGE, ROOT, compose, managed, settings_known

pytestmark = pytest.mark.req("VB-88", "TQ-38")

OURS = ("migrate", "web", "worker", "worker-browser", "beat", "flower")


def _services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def test_it_has_every_part() -> None:
    assert set(_services()) == {"keys", "postgres", "redis", *OURS}
    assert _services()["postgres"]["image"].startswith("pgvector/")


@pytest.mark.parametrize("name", OURS)
def test_its_command_exists(name: str) -> None:
    named = managed(" ".join(_services()[name]["command"]))

    assert named
    assert named <= set(get_commands())


@pytest.mark.parametrize("name", OURS)
def test_its_settings_are_read_by_somebody(name: str) -> None:
    service = _services()[name]

    assert service["env_file"] == [{"path": ".env", "required": False}]
    assert service["environment"]["ENV"] == "prod"
    assert {given.removesuffix("_FILE") for given in service["environment"]} <= settings_known()
    used = re.findall(r"\$\{(\w+)", str(service["environment"]))
    assert set(used) <= settings_known() | DATABASE_IMAGE


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_it_waits_for_servers_and_tables(name: str) -> None:
    assert _services()[name]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_whoever_is_waited_for_says_when_it_is_healthy() -> None:
    for name in ("postgres", "redis"):
        assert _services()[name]["healthcheck"]["test"][0] == "CMD"


def test_each_that_can_be_asked_says_how_it_is() -> None:
    """Web by the image's own check."""
    checks = {name: given.get("healthcheck") for name, given in _services().items()}

    assert checks["web"] is None
    assert [checks[name] for name in ("migrate", "beat")] == [{"disable": True}] * 2
    for name in ("worker", "worker-browser"):
        assert checks[name]["test"] == ["CMD", "python", "deploy/worker_healthcheck.py"]
    assert "127.0.0.1:5555/healthcheck" in checks["flower"]["test"][-1]


def test_what_drives_browsers_is_built_with_one_and_serves_their_tasks() -> None:
    service = _services()["worker-browser"]

    assert service["build"]["target"] == "browser"
    assert managed(" ".join(service["command"])) == {"task_worker"}


@pytest.mark.req("TQ-37")
def test_the_monitor_is_started_only_when_somebody_asks_for_it() -> None:
    profiles = {name: given.get("profiles") for name, given in _services().items()}

    assert {name for name, given in profiles.items() if given} == {"flower"}
    assert _services()["flower"]["build"]["args"] == {"REQUIREMENTS": "flower"}


def test_results_and_logs_outlive_their_containers() -> None:
    for name in ("web", "worker", "worker-browser"):
        mounted = {volume.split(":")[1] for volume in _services()[name]["volumes"]}
        given = _services()[name]["environment"]
        assert {given["RESULTS_DIR"], given["LOG_DIR"]} <= mounted


def test_the_migrations_run_once_and_are_not_started_again() -> None:
    assert _services()["migrate"]["restart"] == "no"
    assert managed(" ".join(_services()["migrate"]["command"])) == {"migrate", "seed"}


@pytest.mark.req("VB-85")
def test_only_pages_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: given["ports"] for name, given in _services().items() if "ports" in given}

    assert published == {"web": ["127.0.0.1:8000:8000"], "flower": ["127.0.0.1:5555:5555"]}


@pytest.mark.req("VB-85")
def test_no_secret_stands_in_it() -> None:
    text = (ROOT / "compose.yaml").read_text()
    secrets = re.findall(r"(?:PASSWORD|SECRET|KEY)\w*: (.+)", text)

    assert secrets
    assert all(named.startswith("/keys/") for named in secrets)


def test_it_starts_without_any_preparation() -> None:
    """Nothing in it has to be given, and everybody waits for the secrets."""
    text = (ROOT / "compose.yaml").read_text()
    assert ":?" not in text
    waits_for = {name: set(given.get("depends_on", {})) for name, given in _services().items()}
    assert waits_for["postgres"] == {"keys"}
    for name in OURS:
        assert "postgres" in waits_for[name]
        assert "keys:/keys:ro" in _services()[name]["volumes"]


def test_every_volume_is_declared() -> None:
    mounted = {
        volume.split(":")[0]
        for given in _services().values()
        for volume in given["volumes"]
        if not volume.startswith(".")
    }

    assert mounted == set(compose()["volumes"])


@pytest.mark.req("OV-74")
def test_each_gets_the_time_to_end_that_it_needs() -> None:
    from django.conf import settings

    assert _services()["web"]["stop_grace_period"] == "15s"
    for name in ("worker", "worker-browser"):
        grace_s = int(_services()[name]["stop_grace_period"].removesuffix("s"))
        assert grace_s >= settings.TASKMAPR["drain_s"] + 30
