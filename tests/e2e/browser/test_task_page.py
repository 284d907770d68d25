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

    def assign(self, **params: str) -> None:
        Select(self.one("#task-type")).select_by_value("test_task")
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

    page.until(lambda: page.status == "completed")
    assert page.lines >= 3
    assert "Test task completed" in page.one("#task-result").text
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
