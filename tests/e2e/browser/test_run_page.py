"""A run's page in the admin, while the run happens."""

from __future__ import annotations

import subprocess
import sys

import pytest
from selenium.webdriver import Chrome

from tests.e2e.browser.console import Console
from tests.e2e.processes import ROOT
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ROOT_EMAIL, ROOT_PASSWORD = "root@example.org", "a long password for root"


@pytest.fixture(scope="module")
def operator(module_stack: Stack) -> None:
    """Root may sign in."""
    module_stack.start()
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email", ROOT_EMAIL]
    env = {**module_stack.env, "DJANGO_SUPERUSER_PASSWORD": ROOT_PASSWORD}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)


@pytest.fixture
def admin(browser: Chrome, stack: Stack, operator: None) -> Console:
    """Root, signed in."""
    page = Console(browser, stack.address())
    browser.get(f"{page.base}/admin/login/?next=/admin/orchestration/run/")
    page.one("[name=username]").send_keys(ROOT_EMAIL)
    page.one("[name=password]").send_keys(ROOT_PASSWORD)
    page.one("form [type=submit]").click()
    wait_until(lambda: page.path == "/admin/orchestration/run/")
    return page


@pytest.mark.req("OV-06", "OV-72")
def test_entries_appear_while_the_run_goes_on(admin: Console, stack: Stack) -> None:
    stack.models.script(
        "scripted", {"text": ["One ", "two ", "three."], "pause_after": 1, "pause_s": 3}
    )
    stream = stack.ask("Count", model="scripted")
    admin.browser.get(f"{admin.base}/admin/orchestration/run/{stream.run_id}/change/")
    assert admin.one("#run-status").text.lower() in {"queued", "running"}
    stream.rest()

    wait_until(lambda: "The run has ended." in admin.one("#tail-note").text)

    assert "One two three." in admin.one("#timeline").text
    assert admin.one("#run-status").text == "succeeded"
    assert not admin.all("button[data-tm-dialog=cancel-run]")
    assert admin.complaints() == []


@pytest.mark.req("OV-06")
def test_cancelling_asks_with_its_consequence_and_then_stops_the_run(
    admin: Console, stack: Stack
) -> None:
    stack.models.script("scripted", {"text": ["One ", "two."], "pause_after": 1, "pause_s": 30})
    stream = stack.ask("Count", model="scripted")
    stream.until("text_delta")
    admin.browser.get(f"{admin.base}/admin/orchestration/run/{stream.run_id}/change/")

    admin.one("button[data-tm-dialog=cancel-run]").click()
    dialog = admin.one("#cancel-run")
    assert "What was said so far is kept" in dialog.text
    dialog.find_element("css selector", "button[formmethod=dialog]").click()
    assert stack.run(stream.run_id)["status"] == "running"

    admin.one("button[data-tm-dialog=cancel-run]").click()
    admin.one("#cancel-run button[data-kind=danger]").click()

    ended = stack.wait_for_end(stream.run_id)
    assert (ended["status"], ended["reason"]) == ("cancelled", "cancelled_by_operator")
    wait_until(lambda: admin.one("#run-status").text == "cancelled")
    admin.browser.refresh()
    assert "root@example.org" in admin.one("[aria-labelledby=commands-title]").text
