"""What the built-in stand-in answers: rules, no language model; like questions, like answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from orchestration.adapters.offline.reading import Page, Spot, telling_words
from taskmapr.core.tools import model_name_of

NOTICE: Final = (
    "(This is TaskMapr's built-in stand-in, not a language model. "
    "Set OPENAI_API_KEY for real answers.)"
)
_GREETING: Final = re.compile(
    r"\s*(hello|hi|hey|good (morning|day|evening)|thanks?)\b.{0,20}", re.I
)
_OVERVIEW: Final = re.compile(
    r"what('s| is| can i (see|do))\b.{0,20}\b(on|here|this page)\b"
    r"|\b(describe|summari[sz]e|overview)\b|where am i|what page",
    re.I,
)
_NAVIGATE: Final = re.compile(
    r"\b(?:go|navigate|take me|bring me|switch)\s+(?:over\s+)?to\s+(?P<a>.+)"
    r"|\b(?:open|visit)\s+(?P<b>.+)",
    re.I,
)
_HIGHLIGHT: Final = re.compile(
    r"\b(highlight|show|point (at|to|out)|where('s| is| are)|find|locate|mark)\b", re.I
)
_SCROLL: Final = re.compile(r"\bscroll\b", re.I)
_COUNT: Final = re.compile(r"\bhow many\b", re.I)
_MEMORY: Final = re.compile(
    r"\bwhat (did|have) i (say|ask|said|asked)|\bmy (first|last|previous) (message|question)"
    r"|\bdo you remember",
    re.I,
)
_CALL: Final = re.compile(
    r"\s*call\s+(?P<name>[a-z][a-z0-9_.:-]*)\s*(?P<args>\{.*\})?\s*", re.I | re.S
)
_PATH: Final = re.compile(r"(?<![\w/])/(?!/)[\w\-./?=&%#]*")
_AND_THEN: Final = re.compile(r",|\band\b|\bthen\b", re.I)
_MAX_SELECTORS: Final = 10
_MAX_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """One model turn: a text, and tool calls as (tool's model name, arguments)."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What one turn has to answer."""

    prompt: str
    page: Page
    #: Model names of the tools that may be called.
    tools: frozenset[str]
    #: Earlier prompts of the conversation, oldest first.
    earlier: Sequence[str] = ()


def reply_to(question: Question) -> Reply:
    """The first turn of an answer."""
    for rule in _RULES:
        if (reply := rule(question)) is not None:
            return reply
    return _passage(question)


def reply_after_tools(
    calls: Sequence[tuple[str, Mapping[str, Any]]], results: Sequence[str]
) -> str:
    """One sentence about what the tool calls of the turn before did."""
    told = [
        _outcome(name, args, result) for (name, args), result in zip(calls, results, strict=False)
    ]
    sentence = " and ".join(told) or "done"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _outcome(name: str, args: Mapping[str, Any], result: str) -> str:
    if (problem := _problem(result)) is not None:
        return f"the tool {name} did not work: {problem}"
    match name:
        case "ui_navigate":
            return f"opened {args.get('path')}"
        case "ui_highlight":
            return f"highlighted {', '.join(args.get('selectors', ()))}"
        case "ui_scroll_to":
            return f"scrolled to {args.get('selector')}"
    return f"the tool {name} answered {result[:300]}"


def _problem(result: str) -> str | None:
    try:
        value = orjson.loads(result)
    except orjson.JSONDecodeError:
        return None
    error = value.get("error") if isinstance(value, dict) else None
    return str(error)[:200].rstrip(".") if error else None


# The rules, in the order in which they are asked ------------------------------------------------


def _explicit_call(question: Question) -> Reply | None:
    """`call ui_navigate {"path": "/x"}`: any tool can be tried by hand."""
    found = _CALL.fullmatch(question.prompt)
    name = model_name_of(found["name"]) if found else ""
    if found is None or name not in question.tools:
        return None
    try:
        return Reply(calls=[(name, orjson.loads(found["args"] or "{}"))])
    except orjson.JSONDecodeError:
        return Reply(f"The arguments for {name} are not JSON.")


def _greeting(question: Question) -> Reply | None:
    if not _GREETING.fullmatch(question.prompt):
        return None
    return Reply(
        "Hello. I can say what is on this page, find text on it, highlight elements and open pages."
    )


def _memory(question: Question) -> Reply | None:
    if not _MEMORY.search(question.prompt):
        return None
    if not question.earlier:
        return Reply("This is the first thing you have said in this conversation.")
    said = "; ".join(f'"{text[:120]}"' for text in question.earlier[-3:])
    return Reply(f"Before this you said: {said}.")


def _overview(question: Question) -> Reply | None:
    page = question.page
    if not _OVERVIEW.search(question.prompt):
        return None
    if not page.is_known:
        return Reply("No page was sent with your message, so I cannot see one.")
    lines = [f"You are on {page.path}{f' ({page.title})' if page.title else ''}."]
    if page.headings:
        lines.append(f"Headings: {', '.join(page.quote(h, 80) for h in page.headings[:6])}.")
    if page.controls:
        counted = ", ".join(_counted(n, role) for role, n in page.controls.most_common(6))
        lines.append(f"You can use {counted}.")
    if passages := page.passages[:6]:
        lines.append("It says:")
        lines += [f"- {page.quote(spot.text, 160)}" for spot in passages]
    return Reply("\n".join(lines))


def _navigation(question: Question) -> Reply | None:
    found = _NAVIGATE.search(question.prompt)
    if found is None or "ui_navigate" not in question.tools:
        return None
    first, *rest = _AND_THEN.split(found["a"] or found["b"], maxsplit=1)
    path = _path_for(first, question.page)
    if path is None:
        return None
    calls: list[tuple[str, Mapping[str, Any]]] = [("ui_navigate", {"path": path})]
    wants_highlight = rest and _HIGHLIGHT.search(rest[0]) and "ui_highlight" in question.tools
    if wants_highlight:
        selectors = _selectors_after(path, rest[0], question.page)
        calls.append(("ui_highlight", {"selectors": selectors}))
    return Reply(calls=calls)


def _scrolling(question: Question) -> Reply | None:
    if not _SCROLL.search(question.prompt) or "ui_scroll_to" not in question.tools:
        return None
    spots = [s for s in question.page.matching(telling_words(question.prompt)) if s.selector]
    return Reply(calls=[("ui_scroll_to", {"selector": spots[0].selector})]) if spots else None


def _counting(question: Question) -> Reply | None:
    words = telling_words(question.prompt)
    if not _COUNT.search(question.prompt) or not words:
        return None
    spots = question.page.matching(words)
    if not spots:
        return None
    return Reply(_told("I count one:" if len(spots) == 1 else "I count", spots, question.page))


def _showing(question: Question) -> Reply | None:
    words = telling_words(question.prompt)
    if not words or not _HIGHLIGHT.search(question.prompt):
        return None
    spots = question.page.matching(words)
    selectors = [spot.selector for spot in spots if spot.selector][:_MAX_SELECTORS]
    if not spots:
        return None
    text = _told("I found", spots, question.page)
    if not selectors or "ui_highlight" not in question.tools:
        return Reply(text)
    return Reply(text, calls=[("ui_highlight", {"selectors": selectors})])


def _passage(question: Question) -> Reply:
    """No rule fits: quote what the page says about it."""
    spots = question.page.matching(telling_words(question.prompt))
    if spots:
        return Reply(_told("The page says", spots, question.page))
    if not question.page.is_known:
        return Reply(f'You said: "{question.prompt.strip()[:300]}". No page came with it.')
    return Reply("I found nothing on this page about that.")


_RULES: Final[Sequence[Callable[[Question], Reply | None]]] = (
    _explicit_call,
    _greeting,
    _memory,
    _overview,
    _navigation,
    _scrolling,
    _counting,
    _showing,
)

#: What people call controls that have no role of their own.
_ROLE_OF_TAG: Final = {"a": "link", "input": "field", "textarea": "field", "select": "list"}
#: `dashboard-heading`: what follows the name of the page.
_HEADING_ID: Final = re.compile(r"\w+([-_](?:heading|title))")


def _told(opening: str, spots: Sequence[Spot], page: Page) -> str:
    """The opening and one quote, or a list of them; what has no text is named by its selector."""
    named = [page.quote(s.label) if s.label else s.selector or f"<{s.tag}>" for s in spots]
    if len(named) == 1:
        return f"{opening} {named[0]}"
    more = [f"- and {len(named) - _MAX_LISTED} more"] if len(named) > _MAX_LISTED else []
    lines = [f"{opening} {len(named)} things:", *(f"- {n}" for n in named[:_MAX_LISTED]), *more]
    return "\n".join(lines)


def _counted(number: int, role: str) -> str:
    role = _ROLE_OF_TAG.get(role, role)
    return f"{number} {role}{'' if number == 1 else 'es' if role.endswith('x') else 's'}"


def _path_for(target: str, page: Page) -> str | None:
    """A path written in the prompt, the link with that label, or one made of the words."""
    if written := _PATH.search(target):
        return written.group(0)
    words = telling_words(target)
    links = [spot for spot in page.spots if spot.href.startswith("/") or "://" in spot.href]
    fitting = page.matching(words, among=links) if links else []
    if fitting:
        return fitting[0].href
    names = [w for w in re.findall(r"[^\W_]+", target.lower()) if telling_words(w)]
    return "/" + "-".join(names) if names else None


def _selectors_after(path: str, target: str, page: Page) -> list[str]:
    """What to highlight on a page not seen yet: what is named, else its heading.

    Its heading is guessed from this page's: `#dashboard-heading` here means `#team-heading`
    on /team.
    """
    if named := [s.selector for s in page.matching(telling_words(target)) if s.selector]:
        return named[:_MAX_SELECTORS]
    there = _last_part(path)
    for spot in page.spots:
        if spot.is_heading and (named_here := _HEADING_ID.fullmatch(spot.id)):
            return [f"#{there}{named_here.group(1)}"]
    return [f"#{there or 'main'}"]


def _last_part(path: str) -> str:
    return path.partition("?")[0].strip("/").rpartition("/")[2]
