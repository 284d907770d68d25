from __future__ import annotations

import pytest

from orchestration.page.elements import element_of
from orchestration.page.labels import label_of, role_of, selector_of, state_of


@pytest.mark.req("OV-34")
def test_the_label_is_the_first_of_three_cut_to_50():
    names = {"ariaLabel": "Aria", "textContent": "Text", "placeholder": "Hint"}

    assert label_of(element_of(names)) == "Aria"
    assert label_of(element_of({**names, "ariaLabel": " "})) == "Text"
    assert label_of(element_of({"placeholder": "Hint"})) == "Hint"
    assert label_of(element_of({"ariaLabel": "x" * 60})) == "x" * 50
    assert label_of(element_of({})) == ""


@pytest.mark.req("OV-34")
@pytest.mark.parametrize(
    ("members", "role", "state"),
    [
        ({"tagName": "A"}, "link", ""),
        ({"tagName": "a", "role": "menuitem"}, "menuitem", "interactive"),
        ({"tagName": "button"}, "button", "interactive"),
        ({"tagName": "select"}, "combobox", "has-options"),
        ({"role": "listbox"}, "listbox", "has-options"),
        ({"tagName": "textarea"}, "textbox", "empty"),
        ({"tagName": "textarea", "value": "x"}, "textbox", "filled"),
        ({"tagName": "input"}, "textbox", "empty"),
        ({"tagName": "input", "type": "email", "value": "a@b"}, "textbox", "filled"),
        ({"tagName": "input", "type": "checkbox"}, "checkbox", "interactive"),
        ({"tagName": "input", "type": "radio"}, "radio", "interactive"),
        ({"tagName": "input", "type": "SUBMIT"}, "button", "interactive"),
        ({"tagName": "input", "type": "button"}, "button", "interactive"),
        ({"tagName": "input", "type": "reset"}, "button", "interactive"),
        ({"tagName": "input", "type": "search"}, "searchbox", "empty"),
        ({"tagName": "input", "type": "range"}, "slider", "interactive"),
        ({"tagName": "input", "type": "number", "value": 3}, "spinbutton", "filled"),
        ({"tagName": "div"}, "div", "interactive"),
    ],
)
def test_role_and_state(members, role, state):
    element = element_of(members)

    assert (role_of(element), state_of(element)) == (role, state)


@pytest.mark.req("OV-33")
@pytest.mark.parametrize(
    ("members", "selector"),
    [
        ({"id": "nav-tags"}, "#nav-tags"),
        ({"id": ":r1:"}, '[id=":r1:"]'),
        ({"id": "1st"}, '[id="1st"]'),
        ({"id": 'a"b\\'}, '[id="a\\"b\\\\"]'),
        ({"tagName": "BUTTON"}, "button"),
        ({}, "*"),
    ],
)
def test_the_selector_names_the_element(members, selector):
    assert selector_of(element_of(members)) == selector
