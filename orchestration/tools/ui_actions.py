"""What a page may be told to do: the checks shared by the `ui` tools and by actions in text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from orchestration.page.elements import Element, element_index, is_sensitive
from orchestration.page.labels import ends_a_form
from orchestration.page.sensitive import is_sensitive_name
from taskmapr.core.errors import InvalidInput, ToolDenied

MAX_PATH: Final = 2_048
MAX_SELECTORS: Final = 10
MAX_SELECTOR: Final = 256
DEFAULT_DURATION_MS: Final = 5_000
MAX_DURATION_MS: Final = 60_000
MAX_STEPS: Final = 20
MAX_MESSAGE: Final = 2_000
MAX_CUSTOM_BYTES: Final = 8_192

#: Browsers drop some of these from a URL, so what was checked would not be what is opened.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_SELECTOR_ID: Final = re.compile(r"#([A-Za-z_][\w-]*)|\[id=(?:\"([^\"]*)\"|'([^']*)')\]")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Payload = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ActionRules:
    """What the profile allows, and the page that actions refer to."""

    origins: tuple[str, ...] = ()
    click: bool = False
    click_submit: bool = False
    custom_names: tuple[str, ...] = ()
    #: Kinds of actions that may be asked for; None: whoever asks was looked at before.
    kinds: frozenset[str] | None = None
    #: `domElements` of the stored request.
    dom_elements: list[Any] = field(default_factory=list)

    @cached_property
    def elements(self) -> dict[str, Element]:
        """The snapshot's elements by id."""
        return element_index(self.dom_elements)


def rules_of(
    options: Mapping[str, Any],
    request: Mapping[str, Any],
    *,
    kinds: frozenset[str] | None = None,
) -> ActionRules:
    """The rules from a profile's `ui` options and a run's stored request."""
    return ActionRules(
        kinds=kinds,
        origins=tuple(options.get("origins") or ()),
        click=bool(options.get("click")),
        click_submit=bool(options.get("click_submit")),
        custom_names=tuple(options.get("custom_names") or ()),
        dom_elements=list(request.get("domElements") or ()),
    )


def check_action(kind: str, payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    """The payload in its full form, with defaults filled in and durations kept within 0..60000 ms.

    Raises InvalidInput for an unknown kind or a malformed payload, ToolDenied for what the profile
    does not allow.
    """
    check = _CHECKS.get(kind)
    if check is None:
        raise InvalidInput.of(("type", f"unknown action {kind[:40]!r}"))
    if rules.kinds is not None and kind not in rules.kinds:
        raise ToolDenied("The tool of this action is not offered here.")
    if not isinstance(payload, Mapping):
        raise InvalidInput.of(("payload", "must be an object"))
    return check(payload, rules)


def unknown_ids(payload: Mapping[str, Any], rules: ActionRules) -> list[str]:
    """The `#id` selectors of a checked payload that name nothing in the snapshot.

    Steps of a walkthrough on another page, and those after them, are not looked at.
    """
    steps = takewhile(lambda step: "page" not in step, payload.get("steps", ()))
    selectors = [
        *payload.get("selectors", ()),
        payload.get("selector", ""),
        *(step["query"] for step in steps),
    ]
    ids = dict.fromkeys(_id_of(selector) for selector in selectors)
    return [element_id for element_id in ids if element_id and element_id not in rules.elements]


# One check per kind ---------------------------------------------------------------------------


def _navigate(payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    return {"path": _target(payload.get("path"), "path", rules)}


def _highlight(payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    told = payload.get("selectors")
    selectors = [told] if isinstance(told, str) else told
    if not isinstance(selectors, list) or not 1 <= len(selectors) <= MAX_SELECTORS:
        raise InvalidInput.of(("selectors", f"must be 1 to {MAX_SELECTORS} selectors"))
    return {
        "selectors": [_selector(s, f"selectors.{n}") for n, s in enumerate(selectors)],
        "duration": _duration(payload.get("duration")),
    }


def _scroll_to(payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    behavior = payload.get("behavior") or "smooth"
    if behavior not in ("smooth", "auto"):
        raise InvalidInput.of(("behavior", "must be smooth or auto"))
    return {"selector": _selector(payload.get("selector"), "selector"), "behavior": behavior}


def _click(payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    if not rules.click:
        raise ToolDenied("Clicks are switched off here; ask the user to click.")
    selector = _selector(payload.get("selector"), "selector")
    element = rules.elements.get(_id_of(selector) or "")
    if is_sensitive_name(selector) or (element is not None and is_sensitive(element)):
        raise ToolDenied("This field holds a secret; it cannot be clicked.")
    # What a selector without an id would hit is known only in the browser.
    if not rules.click_submit and (element is None or ends_a_form(element)):
        raise ToolDenied(
            "Only elements of the list, named by their id, that neither submit nor delete"
            " anything can be clicked."
        )
    return {"selector": selector}


def _start_walkthrough(payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    steps = payload.get("steps")
    if not isinstance(steps, list) or not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidInput.of(("steps", f"must be 1 to {MAX_STEPS} steps"))
    return {"steps": [_step(step, f"steps.{n}", rules) for n, step in enumerate(steps)]}


def _step(step: Any, path: str, rules: ActionRules) -> Payload:
    if not isinstance(step, Mapping):
        raise InvalidInput.of((path, "must be an object"))
    checked: Payload = {"query": _selector(step.get("query"), f"{path}.query")}
    if step.get("page") is not None:
        checked["page"] = _target(step["page"], f"{path}.page", rules)
    if step.get("duration") is not None:
        checked["duration"] = _duration(step["duration"])
    if step.get("message") is not None:
        checked["message"] = _message(step["message"], f"{path}.message")
    checked["waitForClick"] = step.get("waitForClick") is not False
    return checked


def _custom(payload: Mapping[str, Any], rules: ActionRules) -> Payload:
    if rules.custom_names and payload.get("name") not in rules.custom_names:
        raise ToolDenied("This custom action is not one that the page knows.")
    try:
        size = len(orjson.dumps(dict(payload)))
    except TypeError:
        raise InvalidInput.of(("payload", "must be plain JSON")) from None
    if size > MAX_CUSTOM_BYTES:
        raise InvalidInput.of(("payload", f"must be at most {MAX_CUSTOM_BYTES} bytes"))
    return dict(payload)


_CHECKS: Final[dict[str, Callable[[Mapping[str, Any], ActionRules], Payload]]] = {
    "navigate": _navigate,
    "highlight": _highlight,
    "scrollTo": _scroll_to,
    "click": _click,
    "startWalkthrough": _start_walkthrough,
    "custom": _custom,
}


# Members --------------------------------------------------------------------------------------


def _target(value: Any, path: str, rules: ActionRules) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_PATH:
        raise InvalidInput.of((path, f"must be a path of 1 to {MAX_PATH} characters"))
    if "\\" in value or _UNSEEN.search(value):
        raise InvalidInput.of((path, "must not contain backslashes or control characters"))
    if value.startswith("/") and not value.startswith("//"):
        return value
    origin = _origin(value)
    if origin is None:
        raise InvalidInput.of((path, "must begin with one / or be an http(s) address"))
    if origin not in {_origin(allowed) for allowed in rules.origins}:
        raise ToolDenied(f"{path}: this origin is not one that the assistant may open.")
    return value


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an absolute http(s) address without user name, else None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        return None
    if not parts.hostname or "@" in parts.netloc or " " in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def _selector(value: Any, path: str) -> str:
    selector = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(selector) <= MAX_SELECTOR:
        raise InvalidInput.of((path, f"must be a selector of 1 to {MAX_SELECTOR} characters"))
    if _UNSEEN.search(selector):
        raise InvalidInput.of((path, "must not contain control characters"))
    return selector


def _duration(value: Any) -> int:
    if value is None:
        return DEFAULT_DURATION_MS
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput.of(("duration", "must be a number of milliseconds"))
    return int(min(MAX_DURATION_MS, max(0, value)))


def _message(value: Any, path: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_MESSAGE:
        raise InvalidInput.of((path, f"must be text of at most {MAX_MESSAGE} characters"))
    return value


def _id_of(selector: str) -> str | None:
    match = _SELECTOR_ID.fullmatch(selector)
    return next((group for group in match.groups() if group), None) if match else None
