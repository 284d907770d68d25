"""One loop for the async tests of this folder, and a way to ask the assistant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from orchestration.models import Run
from orchestration.page.request import parse_request
from taskmapr.core import wired
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.conversing import Ask, ScriptedModel, Turn
from tests.orchestration.engines.driving import refreshed, run_carry


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def ask(start: StartRun, model: ScriptedModel, ports: wired.Ports) -> Ask:
    """ask(body, *turns) → the run, carried to its end with the model saying these turns."""
    wired.wire(replace(ports, model=lambda endpoint: model))

    def _ask(body: dict[str, Any], *turns: Turn, session_id: str = "s-1", **more: Any) -> Run:
        model.turns = list(turns)
        request = parse_request(body)
        stored = request.as_stored()
        run = start(input=stored, prompt=request.prompt, session_id=session_id, **more)
        async_to_sync(run_carry)(run.pk)
        return refreshed(run)

    return _ask
