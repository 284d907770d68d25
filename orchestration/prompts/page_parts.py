"""The parts of the instructions that describe the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Final
from urllib.parse import urljoin, urlsplit

from orchestration.page.elements import Element
from orchestration.page.labels import label_of, role_of, selector_of, state_of
from orchestration.page.profile import Route
from orchestration.page.request import OverlayRequest
from orchestration.prompts.hygiene import DataQuoter

LINES: Final = 20
IDS_SHOWN: Final = 15
IDS_OF: Final = 30
INDEXED: Final = 40
PREVIEWS: Final = 5
PREVIEW_LENGTH: Final = 200
KEYWORDS: Final = 50
SELECTORS_PER_KEYWORD: Final = 3
ROUTES: Final = 50
_LABEL: Final = 50
#: The mount point of the application holds the whole page; to highlight it says nothing.
_ROOT: Final = "root"

_PLAIN_SELECTOR: Final = re.compile(r"#?[A-Za-z_][\w-]{0,200}|\*")
#: Roles and tags that say what an element is; any other word is the page's own, and quoted.
_KNOWN_WORD: Final = re.compile(
    r"alert|alertdialog|article|aside|banner|button|cell|checkbox|columnheader|combobox|dialog|div"
    r"|form|grid|gridcell|heading|img|input|label|li|link|list|listbox|listitem|main|menu|menubar"
    r"|menuitem|menuitemcheckbox|menuitemradio|meter|nav|navigation|option|p|progressbar|radio"
    r"|radiogroup|region|row|rowheader|scrollbar|search|searchbox|section|separator|slider|span"
    r"|spinbutton|status|summary|switch|tab|table|tablist|tabpanel|td|textbox|toolbar|tooltip|tr"
    r"|tree|treeitem",
    re.IGNORECASE,
)
_ACTIVE_CLASS: Final = re.compile(r"(?:^|[-_])(?:active|current|selected)$", re.IGNORECASE)
_LINK_ROLES: Final = frozenset({"link", "menuitem", "tab"})


class PageParts:
    """Describes the page of one request. Every method gives one part, without a final newline."""

    def __init__(self, request: OverlayRequest, quoter: DataQuoter) -> None:
        self._request = request
        self._quoter = quoter

    @cached_property
    def _visible(self) -> tuple[Element, ...]:
        return self._request.visible_elements

    @cached_property
    def _with_id(self) -> list[Element]:
        return [element for element in self._visible if element.id][:INDEXED]

    def current_page(self) -> str:
        page, text = self._request.page, self._quoter.text
        active = next(filter(self._is_active_link, self._visible), None)
        link = self._named(active) if active else "not known"
        return (
            f"CURRENT PAGE   path {text(page.pathname, 2048)}   title {text(page.title, 200)}"
            f"   url {text(page.url, 6144)}\nactive link: {link}"
        )

    def interactive_elements(self) -> str:
        listed = [element for element in self._visible if element.is_interactive][:LINES]
        head = f"INTERACTIVE ELEMENTS ({self._request.interactive_total} visible)"
        return "\n".join([head, *map(self._line, listed)])

    def ids_and_keywords(self, keywords: Sequence[str]) -> str:
        named = [element for element in self._with_id if element.id != _ROOT][:IDS_OF]
        ids = [self._selector(element).removeprefix("#") for element in named[:IDS_SHOWN]]
        more = ["..."] if len(named) > IDS_SHOWN else []
        return (
            f"ELEMENT IDS: {', '.join([*ids, *more]) or 'none'}\n"
            f"KEYWORDS: {'; '.join(self._keyword_index(keywords)) or 'none'}"
        )

    def text_previews(self) -> str:
        spoken = [element for element in self._with_id if element.text.strip()][:PREVIEWS]
        lines = [
            f"- {self._selector(element)}: {self._quoter.text(element.text, PREVIEW_LENGTH)}"
            for element in spoken
        ]
        return "\n".join(["TEXT PREVIEWS", *lines]) if lines else "TEXT PREVIEWS: none"

    def routes(self, known: Iterable[Route]) -> str:
        text = self._quoter.text
        lines = {
            route.path: f"- {text(route.path, 2048)} {text(route.title, 200)}"
            if route.title
            else f"- {text(route.path, 2048)}"
            for route in known
        }
        for path in self._link_paths():
            if len(lines) >= ROUTES:
                break
            if path not in lines:
                lines[path] = f"- {text(path, 2048)}"
        return "\n".join(["ROUTES", *list(lines.values())[:ROUTES]]) if lines else "ROUTES: none"

    def _keyword_index(self, keywords: Sequence[str]) -> Iterator[str]:
        haystacks = [
            (element, f"{element.id}\n{label_of(element)}\n{element.text}".lower())
            for element in self._with_id
            if element.id != _ROOT
        ]
        for keyword in keywords[:KEYWORDS]:
            word = keyword.strip().lower()
            found = (self._selector(e) for e, text in haystacks if word and word in text)
            if selectors := " ".join(islice(found, SELECTORS_PER_KEYWORD)):
                yield f"{keyword.strip()}: {selectors}"

    def _link_paths(self) -> Iterator[str]:
        for element in self._visible:
            href = element.href.strip()
            # An href of the full length was cut, perhaps in the middle of its path.
            if not href or href.startswith("#") or len(element.href) >= 200:
                continue
            try:
                parts = urlsplit(urljoin(self._request.page.pathname, href))
            except ValueError:
                continue
            if parts.scheme in ("", "http", "https") and parts.path.startswith("/"):
                yield parts.path

    def _is_active_link(self, element: Element) -> bool:
        if element.tag != "a" and role_of(element).lower() not in _LINK_ROLES:
            return False
        if any(map(_ACTIVE_CLASS.search, element.class_names)):
            return True
        return bool(element.href) and element.href.split("?")[0] == self._request.page.pathname

    def _line(self, element: Element) -> str:
        known = (self._word(role_of(element)), state_of(element))
        return f"- {self._named(element)} ({', '.join(filter(None, known))})"

    def _named(self, element: Element) -> str:
        return f"{self._selector(element)} {self._quoter.text(label_of(element), _LABEL)}"

    def _selector(self, element: Element) -> str:
        selector = self._quoter.plain(selector_of(element))
        return selector if _PLAIN_SELECTOR.fullmatch(selector) else self._quoter.text(selector, 210)

    def _word(self, word: str) -> str:
        return word if _KNOWN_WORD.fullmatch(word) else self._quoter.text(word, 40)
