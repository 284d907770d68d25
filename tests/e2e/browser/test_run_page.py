"""A run's page in the admin, while the run happens."""

from __future__ import annotations

import pytest

from tests.e2e.browser.console import Console
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.mark.req("OV-06", "OV-72")
def test_entries_appear_while_the_run_goes_on(admin: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["One ", "two ", "three."], "held_after": [1]})
    stream = stack.ask("Count", model="scripted")
    admin.browser.get(f"{admin.base}/admin/orchestration/run/{stream.run_id}/change/")
    assert admin.one("#run-status").text.lower() in {"queued", "running"}
    assert "One two three." not in admin.one("#timeline").text
    stack.models.release("scripted")
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
    stack.models.script("scripted", {"text": ["One ", "two."], "held_after": [1]})
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
