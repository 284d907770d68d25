"""Batches of the demo site, approved in a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from selenium.webdriver import Chrome

from orchestration.adapters.browser_guard import VARIABLE
from orchestration.models import Run, Site
from orchestration.task_types.approve_batches import approve_batches, check_site
from taskmapr.core.errors import TaskFailed
from taskmapr.core.ids import uuid7
from taskmapr.core.task_types import task_types
from taskmapr.settings.browser import BrowserSettings
from taskmapr.stack.programs import worker_command
from taskmapr.users.models import User
from tests.browser.context import RecordingContext
from tests.e2e.cast import ADA
from tests.e2e.processes import ROOT, ServiceProcess
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture
def site(
    db: None, stack: Stack, settings: Any, redis_url: str, tmp_path: Path, chromium: Chrome
) -> Site:
    """The demo site as on its first day, and how it is described."""
    settings.BROWSER = BrowserSettings(
        headless=True, download_path=tmp_path, remote_url="", name="chrome"
    )
    settings.ESC = replace(settings.ESC, username="demo", password="approve-all-batches")
    urlopen(f"{stack.address()}/demo/esc/", timeout=30).close()
    stack.rows(
        "UPDATE demo_esc_batch SET state = 'pending' WHERE number < 11 OR number > 17 RETURNING 1"
    )
    return Site.objects.create(name="esc", base_url=f"{stack.address()}/demo/esc/", wait_s=10)


@pytest.fixture
def context(db: None) -> Callable[[], RecordingContext]:
    ada = User.objects.create_user("ada@example.org", "a long password")

    def make() -> RecordingContext:
        run = Run.objects.create(kind="task", owner=ada, status="running", queue="browser")
        return RecordingContext(task_id=str(run.pk), user_id=str(ada.pk))

    return make


def work(ctx: RecordingContext, *batch_ids: int, **params: Any) -> Any:
    given = task_types.get("approve_batches").params_of({"batch_ids": list(batch_ids), **params})
    return approve_batches.handler(given, ctx)


def outcomes(result: dict[str, Any]) -> list[str]:
    return [batch["outcome"] for batch in result["batches"]]


def approved(stack: Stack) -> set[int]:
    rows = stack.rows("SELECT number FROM demo_esc_batch WHERE state = 'approved'")
    return {row["number"] for row in rows} - {11, 12, 13, 14, 15}


@pytest.mark.req("TQ-28", "TQ-29", "TQ-30", "TQ-33", "TQ-S9", "TQ-S10")
def test_approves_what_can_be_approved_and_says_what_became_of_the_rest(
    site: Site, stack: Stack, context: Callable[[], RecordingContext]
) -> None:
    assert outcomes(work(context(), 1, 2, 3)) == ["would_approve"] * 3
    assert approved(stack) == set()
    ctx = context()

    result = work(ctx, 1, 2, 99, 16, 18, 20, 19, auto_approve=True)

    assert outcomes(result) == [
        "approved",
        "approved",
        "not_found",
        "not_approvable",
        "failed",
        "approved",
        "approved",
    ]
    assert approved(stack) == {1, 2, 19, 20}
    assert result["batches"][4]["message"] == "unexpected_page: The site answered 500."
    assert any("session_lost" in line for line in ctx.lines)
    assert ctx.pictures["batch-18-error.png"][1] == "error"
    assert len(ctx.pictures) == 8
    assert all(data.startswith(b"\x89PNG") for data, _ in ctx.pictures.values())
    said = str(ctx.lines + ctx.partials) + str(ctx.files)
    assert "approve-all-batches" not in said
    assert outcomes(work(context(), 1, 2, auto_approve=True)) == ["already_approved"] * 2


@pytest.mark.req("TQ-30", "TQ-S10")
def test_a_wrong_password_and_wrong_selectors_are_told_apart(
    site: Site, stack: Stack, settings: Any, context: Callable[[], RecordingContext]
) -> None:
    assert check_site.handler({"site": "esc"}, context())["list_opened"] is True

    settings.ESC, right = replace(settings.ESC, password="wrong-one"), settings.ESC
    ctx = context()
    with pytest.raises(TaskFailed) as refused:
        work(ctx, 1, auto_approve=True)
    assert refused.value.code == "login_failed"
    assert "login-error.png" in ctx.pictures
    assert b"wrong-one" not in ctx.files["login-page.html"][0]

    settings.ESC = right
    site.state_field, site.wait_s = "#somewhere", 1
    site.save()
    ctx = context()
    with pytest.raises(TaskFailed) as failed:
        work(ctx, 1, auto_approve=True)
    assert failed.value.code == "batches_failed"
    assert ctx.partials[-1]["batches"][0]["message"].startswith("element_timeout")
    assert approved(stack) == set()


@pytest.mark.req("TQ-31")
def test_a_site_that_leads_elsewhere_is_not_followed(
    site: Site, context: Callable[[], RecordingContext]
) -> None:
    """The address is that of one host, and the page is at another one."""
    site.base_url = site.base_url.replace("127.0.0.1", "localhost")
    site.login_path = site.base_url.replace("localhost", "127.0.0.1")
    site.save()

    with pytest.raises(TaskFailed) as failed:
        work(context(), 1)

    assert failed.value.code == "unexpected_page"


# In a worker -------------------------------------------------------------------------------------

START = """
from uuid import UUID
from orchestration.models import Site
from orchestration.services.run_start import NewRun, run_start
Site.objects.update_or_create(name="esc", defaults={{"base_url": "{base}", "wait_s": 10}})
run_start(NewRun(
    run_id=UUID("{run_id}"), kind="task", subject="approve_batches", queue="browser",
    owner_id=UUID("{owner}"), session_id=None, prompt="", model="",
    input={{"params": {params}, "settings": {{}}}},
))
"""


@pytest.fixture
def browser_worker(stack: Stack) -> Iterator[ServiceProcess]:
    worker = stack._process("browser", worker_command("browser", ("browser",)))
    worker.start()
    yield worker
    worker.end()


def browsers_left() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if VARIABLE.encode() in (folder / "environ").read_bytes():
                found.append((folder / "comm").read_text().strip())
        except OSError:
            continue
    return found


@pytest.mark.req("TQ-15", "TQ-18", "TQ-29", "TQ-32", "TQ-S13")
def test_a_task_that_is_killed_after_an_approval_is_lost_and_keeps_what_it_did(
    site: Site, stack: Stack, browser_worker: ServiceProcess
) -> None:
    run_id = str(uuid7())
    params = {"batch_ids": [4, 19, 5], "auto_approve": True, "site": "esc"}
    params |= {"stop_on_error": False, "screenshots": "all"}
    start = START.format(base=site.base_url, run_id=run_id, owner=ADA.id, params=params)
    command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-v", "0", "-c", start]
    subprocess.run(command, cwd=ROOT, env=stack.env, check=True, capture_output=True)
    wait_until(lambda: 4 in approved(stack), timeout_s=60)
    wait_until(lambda: "result" in stack.kinds(run_id))

    browser_worker.kill()
    browser_worker.start()

    run = stack.wait_for_end(run_id, timeout_s=60)
    assert (run["status"], run["error_code"]) == ("failed", "worker_lost")
    results = [e["data"]["value"] for e in stack.events(run_id) if e["kind"] == "result"]
    assert outcomes(results[-1])[0] == "approved"
    assert approved(stack) - {19} == {4}
    wait_until(lambda: not browsers_left())
    assert stack.rows("SELECT batch_id FROM agent_batch_approvals WHERE outcome = 'approved'")
