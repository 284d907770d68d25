"""The tables of docs/architecture.md against the code."""

from __future__ import annotations

import inspect
import re
from typing import Protocol

from django.conf import settings

from taskmapr.core import browser, ports
from tests.docs.documents import ROOT, table_rows

TEXT = (ROOT / "docs" / "architecture.md").read_text()
_SECONDS = {"s": 1, "min": 60, "h": 3600}


def test_the_table_of_chores_is_what_beat_sends() -> None:
    shown = {row[1].strip("`"): _seconds(row[0]) for row in table_rows(TEXT, "Every")}
    sent = {job: entry["schedule"] for job, entry in settings.CELERY_BEAT_SCHEDULE.items()}

    assert shown == sent


def _seconds(told: str) -> float:
    number, unit = told.split()[:2]
    return float(number) * _SECONDS[unit]


def test_the_table_of_ports_has_every_port() -> None:
    shown = {name for row in table_rows(TEXT, "Port") for name in re.findall(r"\w+", row[0])}
    protocols = {
        name
        for module in (ports, browser)
        for name, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == module.__name__ and Protocol in found.__bases__
    }

    assert shown == protocols - {"ModelSink"}


def test_the_table_of_ports_names_every_adapter_that_is_wired() -> None:
    wiring = (ROOT / "taskmapr" / "wiring.py").read_text()
    wired = set(re.findall(r"from ((?:orchestration|memory)\.adapters\.\w+) import", wiring))
    rows = table_rows(TEXT, "Port")
    shown = {path.replace("/", ".") for row in rows for path in re.findall(r"([\w/]+)\.py", row[2])}

    # Not a port: it asks a developer's machine which models run there.
    assert wired - shown == {"orchestration.adapters.ollama"}


def test_every_storey_that_is_enforced_is_in_the_table() -> None:
    contracts = (ROOT / "pyproject.toml").read_text()
    (layers,) = re.findall(r"^layers = \[(.*?)^\]", contracts, re.M | re.S)
    enforced = {name.replace(".", "/") for name in re.findall(r"[\w.]+", layers)}
    shown = re.findall(r"`([\w/]+?)(?:\.py|/)`", "\n".join(row[0] for row in _storeys()))

    assert enforced == set(shown)


def _storeys() -> list[list[str]]:
    return table_rows(TEXT, "Storey")
