"""The sample workflow in an n8n of yours: `N8N_TEST_BASE=http://127.0.0.1:5678/webhook`.

How to start one with the workflow in it is in docs/how-to/n8n.md. Skipped without the variable.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from orchestration.models import Run
from orchestration.services.flow_resume import flow_resume
from orchestration.targets.flows import FlowTarget
from orchestration.tools.flows import CallContext, FlowAnswer, flow_call
from tests.flowengine import Reply, playing
from tests.orchestration.conftest import StartRun

BASE = os.environ.get("N8N_TEST_BASE", "")
pytestmark = pytest.mark.skipif(not BASE, reason="N8N_TEST_BASE names no n8n")


@pytest.fixture
def run(start: StartRun, settings: Any, redis_url: str) -> Run:
    settings.TASKMAPR_AIO_INLINE = True
    settings.TASKMAPR = {**settings.TASKMAPR, "n8n_base": BASE}
    return start()


async def _call(run: Run, intent: str, inputs: dict[str, Any]) -> FlowAnswer:
    return await flow_call(
        FlowTarget(engine="n8n"),
        job_id=f"job_{run.pk.hex}",
        intent=intent,
        inputs=inputs,
        context=None,
        user_id=str(run.owner_id),
        ctx=CallContext(deadline_at=datetime.now(UTC) + timedelta(seconds=60)),
    )


@pytest.mark.req("IN-22", "IN-29")
async def test_answers_at_once(run: Run) -> None:
    answer = await _call(run, "gmail.triage", {"since": "24h"})

    expected = {"classified": 0, "since": "24h", "job_id": f"job_{run.pk.hex}"}
    assert answer.result == expected


@pytest.mark.req("IN-25", "IN-29")
async def test_answers_later(run: Run, settings: Any) -> None:
    async with playing(Reply({"status": "resumed"})) as us:
        settings.PUBLIC_URL = f"http://127.0.0.1:{us.port}"
        first = await _call(run, "slack.summarize", {"channel": "#general"})
        assert first.wait is not None
        async with asyncio.timeout(30):
            while not us.requests:
                await asyncio.sleep(0.05)

    (told,) = us.requests
    token = told.path.partition("?token=")[2]
    assert told.path.startswith(f"/jobs/job_{run.pk.hex}/resume?token=")
    await sync_to_async(flow_resume)(run_id=run.pk, answer=told.body, token=token)
    last = await _call(run, "slack.summarize", {"channel": "#general"})
    assert last.result == {"summary": "Nothing was said in #general"}


@pytest.mark.req("IN-25")
async def test_a_workflow_that_is_not_there_is_an_error(run: Run) -> None:
    with pytest.raises(Exception, match="404"):
        await _call(run, "nosuch.workflow", {})
