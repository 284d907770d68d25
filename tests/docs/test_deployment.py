"""docs/deployment.md, docs/troubleshooting.md and the files in deploy/ against the code."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.core.management import get_commands

from taskmapr.core.errors import error_class
from tests.deploy.files import settings_known
from tests.docs.documents import ROOT, documents, name_of, table_rows

DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text()
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
UNIT = (ROOT / "deploy" / "taskmapr@.service").read_text()


@pytest.mark.req("OV-77", "VB-85")
def test_the_settings_checklist_has_every_start_up_check() -> None:
    source = (ROOT / "taskmapr" / "stack" / "checks.py").read_text()
    described = re.findall(r"^\| `(taskmapr\.[EW]\d+)`", DEPLOYMENT, re.M)

    assert sorted(described) == sorted(set(re.findall(r"taskmapr\.[EW]\d+", source)))


@pytest.mark.parametrize("text", [DEPLOYMENT, TROUBLES, UNIT.replace("%i", "web")])
def test_every_command_exists(text: str) -> None:
    named = re.findall(r"manage\.py ([a-z_]+)", text)

    assert named
    assert set(named) <= set(get_commands())


def test_the_unit_is_for_commands_that_exist() -> None:
    (started,) = re.findall(r"enable --now (.+)", UNIT)

    names = [name.removeprefix("taskmapr@") for name in started.split()]
    assert names == ["web", "worker", "task_worker", "beat"]
    assert set(names) <= set(get_commands())
    (patience_s,) = re.findall(r"TimeoutStopSec=(\d+)", UNIT)
    assert int(patience_s) >= settings.TASKMAPR["drain_s"] + 30


@pytest.mark.req("OV-16", "OV-77")
def test_the_proxy_lets_streams_through_for_as_long_as_a_run_may_take() -> None:
    assert "proxy_buffering off;" in NGINX
    (read_s,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert int(read_s) >= max(300, settings.TASKMAPR["run_timeout_s"])
    (body_mb,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(body_mb) * 2**20 > settings.TASKMAPR["max_body_bytes"]


@pytest.mark.req("OV-50")
def test_the_proxys_log_has_no_query() -> None:
    (form,) = re.findall(r"log_format without_query (.+?);", NGINX, re.S)

    assert "$uri" in form
    assert not {"$request", "$request_uri", "$args"} & set(re.findall(r"\$\w+", form))
    assert re.findall(r"access_log .+ (\w+);", NGINX) == ["without_query"]


def test_every_setting_that_deserves_a_decision_exists() -> None:
    named = re.findall(r"`([A-Z][A-Z0-9_]+)(?:=\w+)?`", DEPLOYMENT + TROUBLES)

    assert len(set(named)) > 20
    other = {"POST", "GET", "PIP_INDEX_URL", "POSTGRES_PASSWORD"}
    assert set(named) - settings_known() - other == set()


def test_every_code_exists_and_none_is_forgotten() -> None:
    asked = (ROOT / "docs" / "protocols" / "overlay.md").read_text()
    listed = [*table_rows(asked, "Asking"), *table_rows(asked, "`error` frame")]
    wanted = {
        code for row in listed for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", " ".join(row))
    }
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", TROUBLES))
    codes = {name for name in named if error_class(name) is not None}

    assert {code for code in wanted if error_class(code)} - codes == set()


def test_what_it_says_when_it_does_not_start_is_what_is_shown() -> None:
    source = _sources("taskmapr/stack", "requirements")
    part = TROUBLES.split("## It does not start")[1].split("\n## ")[0]
    shown = [text for row in table_rows(part, "You see") for text in re.findall(r"`(.+?)`", row[0])]
    # PostgreSQL's own words
    shown.remove('permission denied to create extension "vector"')

    assert len(shown) > 10
    for text in shown:
        for fixed in re.split(r"…|\d+", text):
            assert fixed.strip() in source, text


def _sources(*folders: str) -> str:
    return "".join(
        path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))
    )


@pytest.mark.req("OV-77")
def test_the_index_leads_to_every_document() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    linked = set(re.findall(r"\]\(([\w./-]+)\)", index))
    pages = {name_of(path).removeprefix("docs/") for path in documents() if "docs" in path.parts}

    assert {p for p in pages if not p.startswith("adr/")} - {"README.md"} - linked == set()


@pytest.mark.req("OV-77")
def test_the_licence_is_mit() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
