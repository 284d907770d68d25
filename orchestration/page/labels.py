"""What people and models are told about an element: its name, role, state and selector."""

from __future__ import annotations

import re
from typing import Final

from orchestration.page.elements import Element

LABEL_LENGTH: Final = 50
_ROLE_BY_TAG: Final = {
    "a": "link",
    "button": "button",
    "select": "combobox",
    "textarea": "textbox",
}
_ROLE_BY_INPUT_TYPE: Final = {
    "checkbox": "checkbox",
    "radio": "radio",
    "submit": "button",
    "button": "button",
    "reset": "button",
    "search": "searchbox",
    "range": "slider",
    "number": "spinbutton",
}
_TYPED_ROLES: Final = frozenset({"textbox", "searchbox", "spinbutton"})
_CHOICE_ROLES: Final = frozenset({"combobox", "listbox"})
_SIMPLE_ID: Final = re.compile(r"[A-Za-z_][\w-]*")
_ENDS_A_FORM: Final = re.compile(r"submit|delete|remove|destroy|erase|discard", re.IGNORECASE)


def label_of(element: Element) -> str:
    """The name of an element for people, at most 50 characters, possibly empty."""
    texts = (element.aria_label, element.text, element.placeholder)
    return next(filter(None, map(str.strip, texts)), "")[:LABEL_LENGTH]


def role_of(element: Element) -> str:
    """The given role, else the one that its tag implies, else the tag."""
    if element.role:
        return element.role
    if element.tag == "input":
        return _ROLE_BY_INPUT_TYPE.get(element.type, "textbox")
    return _ROLE_BY_TAG.get(element.tag, element.tag)


def state_of(element: Element) -> str:
    """`empty` or `filled`, `has-options`, `interactive`, or nothing for a link."""
    role = role_of(element).lower()
    if role in _TYPED_ROLES:
        return "filled" if element.value else "empty"
    if role in _CHOICE_ROLES:
        return "has-options"
    return "" if role == "link" else "interactive"


def selector_of(element: Element) -> str:
    """A CSS selector: by id, else the tag name.

    Ids that a `#id` selector could not name (`:r1:`, made by frameworks) are given as an attribute.
    """
    if not element.id:
        return element.tag or "*"
    if _SIMPLE_ID.fullmatch(element.id):
        return f"#{element.id}"
    escaped = element.id.replace("\\", "\\\\").replace('"', '\\"')
    return f'[id="{escaped}"]'


def ends_a_form(element: Element) -> bool:
    """Whether the element looks as if a click on it would submit or delete something."""
    words = f"{element.id}\n{element.aria_label}\n{element.text}\n{element.value}"
    return element.type == "submit" or _ENDS_A_FORM.search(words) is not None
