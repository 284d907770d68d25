"""What the overlay asks: a prompt and a snapshot of the page, read with patience.

An honest page is never refused: long values are cut, single unreadable items are skipped and
counted. Only a missing prompt, a malformed session id or a top-level member of a wrong type is an
error. Secrets in form fields are replaced here, before anything can store, log or show them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from orchestration.page.context import (
    PageContext,
    RequestConfig,
    Walkthrough,
    bounded_json,
    page_context_of,
    request_config_of,
    text_of,
    walkthrough_of,
)
from orchestration.page.elements import (
    MAX_ELEMENTS,
    Element,
    MalformedElement,
    counts_as_interactive,
    element_of,
)
from orchestration.page.history import HistoryItem, history_of, message_id_of
from orchestration.page.text import storable
from taskmapr.core.errors import InvalidInput

MAX_PROMPT: Final = 32_000
MAX_CUSTOM_BYTES: Final = 16_384
#: Elements that are looked at closely; a body of broken ones must not cost seconds.
_MAX_EXAMINED: Final = 4 * MAX_ELEMENTS
SESSION_ID: Final = re.compile(r"[A-Za-z0-9._:@-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayRequest:
    """One prompt with the page that it was asked on. Bounded, and free of form secrets."""

    prompt: str
    history: tuple[HistoryItem, ...] = ()
    elements: tuple[Element, ...] = ()
    #: Visible interactive elements, also those beyond the first 500.
    interactive_total: int = 0
    #: History items and elements that could not be read.
    dropped: int = 0
    page: PageContext = field(default_factory=PageContext)
    walkthrough: Walkthrough | None = None
    #: The host application's own JSON; `{"cut": "<JSON text>"}` when it was longer than 16 KiB.
    custom_context: Mapping[str, Any] | None = None
    timestamp: str = ""
    session_id: str | None = None
    config: RequestConfig = field(default_factory=RequestConfig)
    profile: str | None = None
    #: None when the body does not say whether to stream.
    stream: bool | None = None
    #: The browser's id of the message that holds the prompt. Not stored: it only tells repeats.
    message_id: str = field(default="", compare=False)

    @property
    def visible_elements(self) -> tuple[Element, ...]:
        return tuple(element for element in self.elements if element.is_visible)

    def as_stored(self) -> dict[str, Any]:
        """JSON in the browser's own words, plus `received`; the inverse is `from_stored`."""
        return {
            "prompt": self.prompt,
            "history": [item.as_json() for item in self.history],
            "domElements": [element.as_json() for element in self.elements],
            "pageContext": self.page.as_json(),
            "walkthroughContext": self.walkthrough.as_json() if self.walkthrough else None,
            "customContext": self.custom_context,
            "timestamp": self.timestamp,
            "sessionId": self.session_id,
            "config": self.config.as_json(),
            "profile": self.profile,
            "stream": self.stream,
            "received": {"interactive": self.interactive_total, "dropped": self.dropped},
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> OverlayRequest:
        """The request whose `as_stored` gave this."""
        received = stored["received"]
        walkthrough = stored["walkthroughContext"]
        # These were bounded with a mark at the cut, which a second reading would cut again.
        bounded = {"history": None, "customContext": None, "walkthroughContext": None}
        return replace(
            parse_request({**stored, **bounded}),
            history=tuple(HistoryItem(**item) for item in stored["history"]),
            walkthrough=Walkthrough.from_json(walkthrough) if walkthrough else None,
            custom_context=stored["customContext"],
            interactive_total=received["interactive"],
            dropped=received["dropped"],
        )


def parse_request(body: Any) -> OverlayRequest:
    """Read a decoded JSON body.

    Accepts the older form {message, context, config} too. Unknown members are ignored.
    Raises InvalidInput that names every member which cannot be accepted.
    """
    if not isinstance(body, dict):
        raise InvalidInput.of(("body", "must be an object"))
    return _Reader(body).request()


class _Reader:
    """Reads one body and gathers everything that is wrong with it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._problems: list[tuple[str, str]] = []

    def request(self) -> OverlayRequest:
        prompt = self._prompt()
        raw_history = self._member("history", list) or []
        raw_elements = self._member("domElements", list) or []
        page = self._member("pageContext", dict) or {}
        walkthrough = self._member("walkthroughContext", dict)
        custom = self._member("customContext", dict, alias="context")
        config = self._member("config", dict) or {}
        profile = self._member("profile", str)
        stream = self._member("stream", bool)
        session_id = self._session_id()
        if self._problems:
            raise InvalidInput.of(*self._problems)
        history, unread_items = history_of(raw_history, prompt)
        elements, interactive, unread_elements = _elements(raw_elements)
        if walkthrough is None and custom is not None:
            walkthrough = custom.get("activeWalkthrough")
        return OverlayRequest(
            prompt=prompt,
            history=history,
            elements=elements,
            interactive_total=interactive,
            dropped=unread_items + unread_elements,
            page=page_context_of(page),
            walkthrough=walkthrough_of(walkthrough),
            custom_context=None if custom is None else bounded_json(custom, MAX_CUSTOM_BYTES),
            timestamp=text_of(self._body.get("timestamp"), 64),
            session_id=session_id,
            config=request_config_of(config),
            profile=storable(profile, 200) if profile else None,
            stream=stream,
            message_id=message_id_of(raw_history, prompt),
        )

    def _member(self, name: str, kind: type, alias: str | None = None) -> Any:
        value, path = self._body.get(name), name
        if value is None and alias is not None:
            value, path = self._body.get(alias), alias
        if value is None or isinstance(value, kind):
            return value
        self._problems.append((path, f"must be {_KIND_NAMES[kind]}"))
        return None

    def _prompt(self) -> str:
        told = self._member("prompt", str, alias="message")
        if self._problems:
            return ""
        prompt = storable((told or "").strip(), MAX_PROMPT + 1).strip()
        if not prompt:
            self._problems.append(("prompt", "is required"))
        elif len(prompt) > MAX_PROMPT:
            self._problems.append(("prompt", f"must have at most {MAX_PROMPT} characters"))
        return prompt

    def _session_id(self) -> str | None:
        session_id: str | None = self._member("sessionId", str)
        if session_id is not None and not SESSION_ID.fullmatch(session_id):
            self._problems.append(("sessionId", "must be 1 to 200 letters, digits or ._:@-"))
        return session_id


_KIND_NAMES: Final[dict[type, str]] = {
    str: "a string",
    list: "an array",
    dict: "an object",
    bool: "true or false",
}


def _elements(raw: list[Any]) -> tuple[tuple[Element, ...], int, int]:
    kept: list[Element] = []
    dropped = 0
    for position, item in enumerate(raw):
        if len(kept) == MAX_ELEMENTS or position == _MAX_EXAMINED:
            rest = sum(map(counts_as_interactive, raw[position:]))
            break
        try:
            kept.append(element_of(item))
        except MalformedElement:
            dropped += 1
    else:
        rest = 0
    interactive = sum(element.is_interactive and element.is_visible for element in kept)
    return tuple(kept), interactive + rest, dropped
