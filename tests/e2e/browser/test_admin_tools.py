"""Forms of the admin in a browser: what is there, is seen and works."""

from __future__ import annotations

import pytest
from selenium.webdriver.support.ui import Select

from tests.e2e.browser.conftest import resize
from tests.e2e.browser.console import Console
from tests.e2e.browser.test_accessibility import use_scheme
from tests.e2e.browser.test_admin_pages import ours
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

_LABEL = """
const label = document.querySelector(`label[for="${arguments[0]}_remove"]`);
label.scrollIntoView();
const { left, right, height } = label.getBoundingClientRect();
const middle = label.getBoundingClientRect().top + height / 2;
return { text: label.innerText.trim(), left, right, height, width: innerWidth,
         isOnTop: label.contains(document.elementFromPoint((left + right) / 2, middle)) };
"""


@pytest.mark.req("OV-06")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("page", "field"),
    [("modelprofile/add/", "id_api_key"), ("mcpserver/add/", "id_headers")],
)
def test_the_box_that_removes_a_secret_says_so(
    admin: Console, width: int, page: str, field: str
) -> None:
    resize(admin.browser, width)
    admin.browser.get(f"{admin.base}/admin/agents_cfg/{page}")

    label = admin.browser.execute_script(_LABEL, field)

    assert label["text"] == "Remove the stored value"
    assert label["isOnTop"]
    assert 0 <= label["left"] < label["right"] <= label["width"] == width
    admin.one(f"label[for={field}_remove]").click()
    assert admin.one(f"#{field}_remove").is_selected()
    assert admin.complaints() == []


@pytest.mark.req("OV-72")
def test_a_tool_is_called_by_a_worker_and_answers(admin: Console, stack: Stack) -> None:
    wait_until(lambda: _tool(stack, "knowledge.search_documentation"))
    (row,) = _tool(stack, "knowledge.search_documentation")
    admin.browser.get(f"{admin.base}/admin/agents_cfg/tool/{row['id']}/test/")
    for width in (1280, 390):
        resize(admin.browser, width)
        for scheme in ("light", "dark"):
            use_scheme(admin.browser, scheme)
            assert ours(admin.browser) == [], f"{scheme}, {width} pixels"

    admin.one("[name=arg-query]").send_keys("tool")
    admin.one(".tm-admin button[type=submit]").click()

    wait_until(lambda: bool(admin.all("#trials [data-status=succeeded]")))
    assert '"results"' in admin.one("#trials").text
    assert admin.complaints() == []


@pytest.mark.req("TQ-12", "TQ-41")
def test_a_new_type_of_tasks_asks_for_what_its_kind_is_made_of(admin: Console) -> None:
    admin.browser.get(f"{admin.base}/admin/orchestration/taskdefinition/add/")
    kind = Select(admin.one("#id_kind"))

    def shown() -> list[str]:
        return [name for name in ("content", "steps") if admin.one(f".field-{name}").is_displayed()]

    assert kind.first_selected_option.get_attribute("value") != "sequence"
    assert shown() == ["content"]
    kind.select_by_value("sequence")
    assert shown() == ["steps"]
    kind.select_by_value("http_request")
    assert shown() == ["content"]
    assert admin.complaints() == []


def _tool(stack: Stack, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = stack.rows(
        "SELECT id FROM agents_cfg_tool WHERE name = %s", name
    )
    return rows
