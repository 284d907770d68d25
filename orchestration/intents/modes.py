"""Which mode carries out an intent, and why: a pure decision over what is offered.

An explicit mode is obeyed or refused. `auto` takes the first of: a rule of the caller's own, a rule
for everybody, and the built-in order (memory and hosts, MCP, a mapped flow, the usual flows, any
other tool). A rule whose mode cannot carry out the intent is passed over, and says so in nobody's
name: operators see it in the form that explains.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from orchestration.intents.names import ASK
from taskmapr.core.errors import IntentForbidden, ModeNotSupported, UnknownIntent
from taskmapr.core.tools import is_named

Mode = Literal["agent", "mcp", "flow"]
AskedMode = Literal["auto", "agent", "mcp", "flow"]
MODES: Final[tuple[Mode, ...]] = ("agent", "mcp", "flow")
ASKED_MODES: Final = ("auto", *MODES)

#: Names told to who asked for an intent that is not there.
MOST_TOLD: Final = 100
SUGGESTIONS: Final = 3

_OWN_TOOLS: Final = ("memory.*", "ssh.exec.peek", "ssh.exec")
USUAL_FLOWS: Final = ("gmail.*", "slack.*", "calendar.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What operators say of some intents. `pattern`: a name; a trailing `*` matches any end."""

    number: int
    pattern: str
    #: Empty: the rule says nothing of the mode.
    mode: str = ""
    #: Another name under which the mode knows it; empty: its own.
    target: str = ""
    #: Id of the user whose rule it is; empty: everybody's.
    user_id: str = ""
    #: Calls per minute of one principal; None: says nothing.
    per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """How an intent will be carried out. `target`: its name in that mode."""

    intent: str
    mode: Mode
    target: str
    reason: str


#: Whether a mode can carry out something of this name; the reason in words, or None.
Supports = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What this server can do for one caller, as questions that ask nobody outside.

    `agent`, `mcp`, `mapped`: see Supports. `names`: what GET /intents lists for this caller.
    `permits`: whether the caller may run an intent.
    """

    agent: Supports
    mcp: Supports
    #: A flow mapping for exactly such intents.
    mapped: Supports
    names: Iterable[str] = ()
    rules: Sequence[Rule] = ()
    permits: Callable[[str], bool] = field(default=lambda name: True)

    def flow(self, name: str) -> str | None:
        """A mapping, or one of the intents that flows usually carry out."""
        return self.mapped(name) or usual_flow(name)

    def supports(self, mode: str) -> Supports:
        by_mode: Mapping[str, Supports] = {"agent": self.agent, "mcp": self.mcp, "flow": self.flow}
        return by_mode[mode]


def usual_flow(name: str) -> str | None:
    pattern = next((p for p in USUAL_FLOWS if is_named(name, (p,))), None)
    return f"{pattern} is carried out by flows" if pattern else None


def mode_choose(intent: str, mode: AskedMode, *, user_id: str, offer: Offer) -> Chosen:
    """The way in which this caller's intent is carried out.

    Raises UnknownIntent, IntentForbidden, ModeNotSupported, and what `offer` raises for a name that
    means several things.
    """
    if not offer.permits(intent):
        raise _refused(intent, offer)
    if mode != "auto":
        return _explicit(intent, mode, user_id, offer)
    chosen = next(_ways(intent, user_id, offer), None)
    if chosen is None:
        raise _unknown(intent, offer)
    return chosen


def modes_of(intent: str, *, user_id: str, offer: Offer) -> list[Mode]:
    """Every mode that could carry it out."""
    return [m for m in MODES if _in_mode(intent, m, user_id, offer) is not None]


def rules_for(intent: str, rules: Iterable[Rule], *, user_id: str) -> list[Rule]:
    """The rules that match, in the order in which they count: the caller's own come first."""
    matching = [r for r in rules if r.user_id in ("", user_id) and is_named(intent, (r.pattern,))]
    return sorted(matching, key=lambda rule: (not rule.user_id, rule.number))


def _ways(intent: str, user_id: str, offer: Offer) -> Iterator[Chosen]:
    """In the order in which `auto` takes them."""
    for rule in _mode_rules(intent, user_id, offer):
        if chosen := _by_rule(intent, rule, offer):
            yield chosen
    own = offer.agent if is_named(intent, _OWN_TOOLS) else _never
    steps: tuple[tuple[Mode, Supports], ...] = (
        ("agent", own),
        ("mcp", offer.mcp),
        ("flow", offer.flow),
        ("agent", offer.agent),
    )
    for mode, supports in steps:
        if reason := supports(intent):
            yield Chosen(intent=intent, mode=mode, target=intent, reason=reason)


def _never(name: str) -> None:
    return None


def _mode_rules(intent: str, user_id: str, offer: Offer) -> list[Rule]:
    return [r for r in rules_for(intent, offer.rules, user_id=user_id) if r.mode]


def _by_rule(intent: str, rule: Rule, offer: Offer) -> Chosen | None:
    target = rule.target or intent
    # Operators may send any name to the flow engine, whether a mapping knows it or not.
    if rule.mode != "flow" and offer.supports(rule.mode)(target) is None:
        return None
    whose = "own rule" if rule.user_id else "rule"
    reason = f"{whose} {rule.number}: {rule.pattern}"
    return Chosen(intent=intent, mode=cast("Mode", rule.mode), target=target, reason=reason)


def _in_mode(intent: str, mode: Mode, user_id: str, offer: Offer) -> Chosen | None:
    for rule in _mode_rules(intent, user_id, offer):
        if rule.mode == mode and (chosen := _by_rule(intent, rule, offer)):
            return chosen
    reason = offer.supports(mode)(intent)
    return Chosen(intent=intent, mode=mode, target=intent, reason=reason) if reason else None


def _explicit(intent: str, mode: Mode, user_id: str, offer: Offer) -> Chosen:
    chosen = _in_mode(intent, mode, user_id, offer)
    if chosen is not None:
        return Chosen(
            intent=intent, mode=mode, target=chosen.target, reason=f"asked for; {chosen.reason}"
        )
    modes = modes_of(intent, user_id=user_id, offer=offer)
    if not modes:
        raise _unknown(intent, offer)
    raise ModeNotSupported(
        f"Intent '{intent}' cannot be carried out in mode '{mode}', only in: {', '.join(modes)}.",
        details={"modes": modes},
    )


def _refused(intent: str, offer: Offer) -> Exception:
    known = any(offer.supports(mode)(intent) for mode in MODES)
    if known or intent == ASK:
        return IntentForbidden(f"These credentials may not run '{intent}'.")
    return _unknown(intent, offer)


def _unknown(intent: str, offer: Offer) -> UnknownIntent:
    every = sorted(offer.names)
    available = every[:MOST_TOLD]
    near = difflib.get_close_matches(intent, every, n=SUGGESTIONS, cutoff=0.6)
    return UnknownIntent(
        f"Intent '{intent}' not found. Available: [{', '.join(available)}]",
        details={"available": available, "suggestions": near},
    )
