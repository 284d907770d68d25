"""The elements of the page that the user looks at, as the overlay saw them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from orchestration.page.sensitive import (
    REDACTED,
    is_sensitive_autocomplete,
    is_sensitive_name,
    redact_address,
)
from orchestration.page.text import storable

MAX_ELEMENTS: Final = 500
MAX_CLASS_NAMES: Final = 20
MAX_STRING: Final = 200
MAX_VALUE: Final = 100

_INTERACTIVE_TAGS: Final = frozenset({"button", "a", "input", "textarea", "select"})
_INTERACTIVE_ROLES: Final = frozenset(
    {"button", "link", "textbox", "combobox", "checkbox", "radio", "menuitem", "tab", "switch"}
)


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
        names = f"{get('id')}\n{get('ariaLabel')}\n{get('ariaDescribedBy')}\n{get('placeholder')}"
        is_secret = (
            kind == "password"
            or is_sensitive_autocomplete(get("autocomplete"))
            or is_sensitive_name(names)
        )
        if is_secret or is_sensitive_name(f"{get('textContent')}"):
            value = value and REDACTED
        # The text of a textarea is what stood in it when the page was loaded.
        if tag == "textarea" and is_secret:
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
        href=redact_address(_string(get("href"), MAX_STRING)),
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


def is_sensitive(element: Element) -> bool:
    """Whether the element holds a secret."""
    return (
        element.type == "password"
        or REDACTED in (element.value, element.text)
        or is_sensitive_name(
            f"{element.id}\n{element.aria_label}\n{element.placeholder}\n{element.text}"
        )
    )


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
