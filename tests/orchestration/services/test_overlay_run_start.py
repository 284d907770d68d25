"""What is kept of an overlay run, from its start to its erasure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents_cfg.models import ModelProfile, OverlayProfile
from agents_cfg.selectors.profiles import profiles_forget
from orchestration.log.store import events_all
from orchestration.models import Run
from orchestration.page.request import parse_request
from orchestration.services.overlay_runs import Asked, overlay_run_start
from orchestration.services.retention import retention_apply
from taskmapr.core import wired
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.engines.conversing import ScriptedModel, Turn
from tests.orchestration.engines.driving import run_carry

BODY: dict[str, Any] = {
    "prompt": "hi",
    "sessionId": "s-1",
    "domElements": [
        {"id": "pw", "tagName": "input", "type": "password", "value": "hunter2"},
        {"id": "t", "tagName": "p", "textContent": "x" * 300},
    ],
    "config": {"temperature": 1.5, "maxTokens": 99_999, "instructions": "Be rude."},
}


@pytest.fixture
def run(ada: User, ports: wired.Ports) -> Run:
    """A run through the doorway's service, carried to its end."""
    priced = ModelProfile.objects.create(
        name="m", model="mock/m", adapter="offline", input_price_usd=1, output_price_usd=2
    )
    OverlayProfile.objects.update_or_create(
        is_default=True,
        defaults={
            "name": "default",
            "model": priced,
            "version": 7,
            "max_output_tokens": 500,
            "tools": ["ui.navigate"],
        },
    )
    profiles_forget()
    model = ScriptedModel(Turn(text=["Hello."]))
    wired.wire(replace(ports, model=lambda endpoint: model))
    asked = Asked(
        run_id=uuid7(),
        user_id=ada.pk,
        user_name="ada",
        request=parse_request(BODY),
        origin=None,
        request_id="r-1",
    )
    overlay_run_start(asked)
    async_to_sync(run_carry)(asked.run_id)
    profiles_forget()
    return Run.objects.get(pk=asked.run_id)


@pytest.mark.req("OV-71")
def test_the_request_is_kept_as_received_cut_and_redacted(run: Run) -> None:
    password, text = run.input["domElements"]

    assert (password["id"], password["value"]) == ("pw", "[redacted]")
    assert len(text["textContent"]) == 200
    assert run.input["config"]["temperature"] == 1.5


@pytest.mark.req("OV-11", "OV-71")
def test_the_settings_are_kept_as_the_profile_clamped_them(run: Run) -> None:
    assert run.input["settings"] == {
        "temperature": 1.5,
        "maxTokens": 500,
        "instructions": None,
        "tools": ["ui.navigate"],
    }
    assert (run.model, run.profile_version) == ("mock/m", 7)


@pytest.mark.req("OV-71")
def test_instructions_events_tokens_cost_and_times_are_kept(run: Run) -> None:
    assert "CURRENT PAGE" in run.instructions
    assert "Be rude." not in run.instructions
    assert [event.seq for event in events_all(run.pk)] == list(range(1, run.last_seq + 1))
    assert (run.input_tokens, run.output_tokens) == (100, 10)
    assert run.first_output_ms is not None
    assert run.duration_ms is not None
    assert run.first_output_ms <= run.duration_ms


@pytest.mark.req("OV-71")
@pytest.mark.parametrize(("days", "erased"), [(29, False), (31, True)])
def test_snapshot_and_instructions_go_after_thirty_days(run: Run, days: int, erased: bool) -> None:
    Run.objects.filter(pk=run.pk).update(finished_at=datetime.now(UTC) - timedelta(days=days))

    retention_apply()

    run.refresh_from_db()
    assert (run.input == {}, run.instructions == "") == (erased, erased)
    assert (run.input_tokens, run.model, run.profile_version) == (100, "mock/m", 7)
