"""/demo/tasks/ in a real browser: tasks of a real worker, followed by WebSocket."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


class Page:
    def __init__(self, browser: Chrome, stack: Stack) -> None:
        self.browser = browser
        browser.get(f"{stack.address()}/demo/tasks/")
        self.until(lambda: self.one("#task-assign").is_enabled())

    def one(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def until(self, is_so: Any) -> None:
        wait_until(is_so, timeout_s=40)

    def assign(self, type_name: str = "test_task", **params: str) -> None:
        Select(self.one("#task-type")).select_by_value(type_name)
        for name, value in params.items():
            field = self.one(f"#task-params [name='{name}']")
            field.clear()
            field.send_keys(value)
        self.one("#task-assign").click()

    @property
    def status(self) -> str:
        return str(self.one("#task-status").text).strip().lower()

    @property
    def lines(self) -> int:
        return len(self.browser.find_elements(By.CSS_SELECTOR, "#task-lines li"))


@pytest.fixture
def page(browser: Chrome, stack: Stack) -> Page:
    return Page(browser, stack)


@pytest.mark.req("TQ-49", "TQ-25")
def test_a_task_is_assigned_and_followed_to_its_result(page: Page) -> None:
    page.assign(duration_s="1")

    # The last message, right after the status.
    page.until(lambda: "Test task completed" in page.one("#task-result").text)
    assert page.status == "completed"
    assert page.lines >= 3
    assert "task.log" in page.one("#task-downloads").text
    assert page.one("#recent-rows").text.count("test_task") >= 1


@pytest.mark.req("TQ-17", "TQ-49")
def test_a_task_is_cancelled_and_assigned_again(page: Page) -> None:
    page.assign(duration_s="60")
    page.until(lambda: page.status == "running")

    page.one("#task-cancel").click()

    page.until(lambda: page.status == "cancelled")
    first = page.one("#task-id").text
    page.one("#task-retry").click()
    page.until(lambda: page.one("#task-id").text != first and page.status == "running")
    page.one("#task-cancel").click()
    page.until(lambda: page.status == "cancelled")


@pytest.mark.req("TQ-46", "TQ-49")
@pytest.mark.parametrize(("button", "decision"), [("confirm", "approved"), ("refuse", "denied")])
def test_a_task_that_asks_first_is_answered_on_the_page(
    page: Page, button: str, decision: str
) -> None:
    page.assign("test.ask_first")
    question = page.one("#task-question")
    page.until(question.is_displayed)

    assert "May 3 batches be approved at esc?" in question.text
    assert "1, 2, 3" in question.text
    # Who opens the page anew is asked as well.
    page.browser.refresh()
    page.until(lambda: page.one("#task-question").is_displayed())
    page.one(f"#task-{button}").click()

    page.until(lambda: decision in page.one("#task-result").text)
    assert page.status == "completed"
    assert not page.one("#task-question").is_displayed()
