"""The elements of the page that the user looks at, as the overlay saw them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from orchestration.page.sensitive import REDACTED, is_sensitive_name
from orchestration.page.text import storable

MAX_ELEMENTS: Final = 500
MAX_CLASS_NAMES: Final = 20
MAX_STRING: Final = 200
MAX_VALUE: Final = 100
LABEL_LENGTH: Final = 50

_INTERACTIVE_TAGS: Final = frozenset({"button", "a", "input", "textarea", "select"})
_INTERACTIVE_ROLES: Final = frozenset(
    {"button", "link", "textbox", "combobox", "checkbox", "radio", "menuitem", "tab", "switch"}
)
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


class MalformedElement(ValueError):
    """A member of an element snapshot has a type that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """CSS pixels relative to the viewport; may be negative or fractional."""

    top: float = 0
    left: float = 0
    width: float = 0
    height: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element snapshot, cut to its bounds and without secrets."""

    id: str = ""
    tag: str = ""
    text: str = ""
    class_names: tuple[str, ...] = ()
    role: str = ""
    aria_label: str = ""
    aria_described_by: str = ""
    placeholder: str = ""
    value: str = ""
    type: str = ""
    href: str = ""
    position: Position | None = None
    is_interactive: bool = False
    is_visible: bool = True

    def as_json(self) -> dict[str, Any]:
        """The form in which the browser sends it; members with their default are left out."""
        members: dict[str, Any] = {
            key: value for key, name in _STRINGS if (value := getattr(self, name))
        }
        if self.class_names:
            members["classNames"] = list(self.class_names)
        if (at := self.position) is not None:
            members["position"] = {
                "top": at.top,
                "left": at.left,
                "width": at.width,
                "height": at.height,
            }
        members["isInteractive"] = self.is_interactive
        if not self.is_visible:
            members["isVisible"] = False
        return members


_STRINGS: Final = (
    ("id", "id"),
    ("tagName", "tag"),
    ("textContent", "text"),
    ("role", "role"),
    ("ariaLabel", "aria_label"),
    ("ariaDescribedBy", "aria_described_by"),
    ("placeholder", "placeholder"),
    ("value", "value"),
    ("type", "type"),
    ("href", "href"),
)


def element_of(raw: Any) -> Element:
    """One element from decoded JSON. Raises MalformedElement."""
    if not isinstance(raw, dict):
        raise MalformedElement("not an object")
    get = raw.get
    tag = _string(get("tagName"), MAX_STRING).lower()
    role = _string(get("role"), MAX_STRING)
    interactive = _flag(get("isInteractive"))
    element_id = _string(get("id"), MAX_STRING)
    text = _string(get("textContent"), MAX_STRING)
    label = _string(get("ariaLabel"), MAX_STRING)
    placeholder = _string(get("placeholder"), MAX_STRING)
    value = _string(get("value"), MAX_VALUE)
    kind = _string(get("type"), MAX_STRING).lower()
    if value or tag == "textarea":
        # Asked of the uncut strings: the telling word may stand behind the cut.
        names = f"{get('id')}\n{get('ariaLabel')}\n{get('placeholder')}"
        if kind == "password" or is_sensitive_name(f"{names}\n{get('textContent')}"):
            value = value and REDACTED
        # The text of a textarea is what stood in it when the page was loaded.
        if tag == "textarea" and is_sensitive_name(names):
            text = text and REDACTED
    return Element(
        id=element_id,
        tag=tag,
        text=text,
        class_names=_class_names(get("classNames")),
        role=role,
        aria_label=label,
        aria_described_by=_string(get("ariaDescribedBy"), MAX_STRING),
        placeholder=placeholder,
        value=value,
        type=kind,
        href=_string(get("href"), MAX_STRING),
        position=_position(get("position")),
        is_interactive=_is_interactive_by_nature(tag, role) if interactive is None else interactive,
        is_visible=_flag(get("isVisible")) is not False,
    )


def counts_as_interactive(raw: Any) -> bool:
    """Whether an element that is only counted, not kept, is visible and interactive."""
    if not isinstance(raw, dict) or raw.get("isVisible") is False:
        return False
    told = raw.get("isInteractive")
    if told is not None:
        return told is True
    return _is_interactive_by_nature(str(raw.get("tagName")).lower(), str(raw.get("role")))


def _is_interactive_by_nature(tag: str, role: str) -> bool:
    return tag in _INTERACTIVE_TAGS or role.lower() in _INTERACTIVE_ROLES


def _string(value: Any, limit: int) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        # Called thousands of times per request: printable text needs no closer look.
        return value if len(value) <= limit and value.isprintable() else storable(value, limit)
    if isinstance(value, int | float):
        # `value` of a list item or a progress bar is a number in the browser.
        return str(value)[:limit] if abs(value) < 1e300 else ""
    raise MalformedElement("not a string")


def _flag(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise MalformedElement("not a boolean")


def _class_names(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        value = value[: MAX_CLASS_NAMES * (MAX_STRING + 1)].split()
    if not isinstance(value, list):
        raise MalformedElement("classNames is not a list")
    return tuple([_string(name, MAX_STRING) for name in value[:MAX_CLASS_NAMES]])


def _position(value: Any) -> Position | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MalformedElement("position is not an object")
    get = value.get
    return Position(
        top=_pixels(get("top")),
        left=_pixels(get("left")),
        width=_pixels(get("width")),
        height=_pixels(get("height")),
    )


def _pixels(value: Any) -> float:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedElement("position holds something that is not a number")
    if not (math.isfinite(value) if isinstance(value, float) else abs(value) < 2**53):
        raise MalformedElement("position holds an endless number")
    return value


# What people and models are told about an element ---------------------------------------------


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


def is_sensitive(element: Element) -> bool:
    """Whether the element holds a secret."""
    return (
        element.type == "password"
        or REDACTED in (element.value, element.text)
        or is_sensitive_name(
            f"{element.id}\n{element.aria_label}\n{element.placeholder}\n{element.text}"
        )
    )


def ends_a_form(element: Element) -> bool:
    """Whether the element looks as if a click on it would submit or delete something."""
    words = f"{element.id}\n{element.aria_label}\n{element.text}\n{element.value}"
    return element.type == "submit" or _ENDS_A_FORM.search(words) is not None


def element_index(elements: list[Any]) -> dict[str, Element]:
    """Elements by id from stored JSON; those that cannot be read are left out."""
    index: dict[str, Element] = {}
    for raw in elements:
        try:
            element = element_of(raw)
        except MalformedElement:
            continue
        if element.id:
            index.setdefault(element.id, element)
    return index
