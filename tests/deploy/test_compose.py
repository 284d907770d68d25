"""compose.yaml: what runs, in which order, with which settings, and who can reach it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import get_commands

from tests.deploy.files import DATABASE_IMAGE, ROOT, compose, managed, settings_known

pytestmark = pytest.mark.req("VB-88")

OURS = ("migrate", "web", "worker", "beat")


def _services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def test_it_has_every_part() -> None:
    assert set(_services()) == {"postgres", "redis", *OURS}
    assert _services()["postgres"]["image"].startswith("pgvector/")


@pytest.mark.parametrize("name", OURS)
def test_its_command_exists(name: str) -> None:
    named = managed(" ".join(_services()[name]["command"]))

    assert named
    assert named <= set(get_commands())


@pytest.mark.parametrize("name", OURS)
def test_its_settings_are_read_by_somebody(name: str) -> None:
    service = _services()[name]

    assert service["env_file"] == ".env"
    assert service["environment"]["ENV"] == "prod"
    assert set(service["environment"]) <= settings_known()
    used = re.findall(r"\$\{(\w+)", str(service["environment"]))
    assert set(used) <= settings_known() | DATABASE_IMAGE


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_it_waits_for_servers_and_tables(name: str) -> None:
    assert _services()[name]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_whoever_is_waited_for_says_when_it_is_healthy() -> None:
    for name in ("postgres", "redis"):
        assert _services()[name]["healthcheck"]["test"][0] == "CMD"


def test_the_migrations_run_once_and_are_not_started_again() -> None:
    assert _services()["migrate"]["restart"] == "no"
    assert managed(" ".join(_services()["migrate"]["command"])) == {"migrate", "seed"}


@pytest.mark.req("VB-85")
def test_only_web_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: given["ports"] for name, given in _services().items() if "ports" in given}

    assert published == {"web": ["127.0.0.1:8000:8000"]}


@pytest.mark.req("VB-85")
def test_no_secret_stands_in_it() -> None:
    text = (ROOT / "compose.yaml").read_text()
    secrets = re.findall(r"(?:PASSWORD|SECRET|KEY)\w*: (.+)", text)

    assert secrets == ["${POSTGRES_PASSWORD:?run deploy/new-env.sh first}"]


def test_every_volume_is_declared() -> None:
    mounted = {
        volume.split(":")[0] for given in _services().values() for volume in given["volumes"]
    }

    assert mounted == set(compose()["volumes"])


@pytest.mark.req("OV-74")
def test_each_gets_the_time_to_end_that_it_needs() -> None:
    from django.conf import settings

    assert _services()["web"]["stop_grace_period"] == "15s"
    grace_s = int(_services()["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= settings.TASKMAPR["drain_s"] + 30
