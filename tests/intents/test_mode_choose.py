from __future__ import annotations

from collections.abc import Collection

import pytest

from orchestration.intents.modes import Offer, Rule, mode_choose, modes_of, rules_for
from taskmapr.core.errors import IntentForbidden, ModeNotSupported, UnknownIntent

ADA, BEN = "ada", "ben"


def offer(
    *,
    agent: Collection[str] = (),
    mcp: Collection[str] = (),
    mapped: Collection[str] = (),
    rules: Collection[Rule] = (),
    forbidden: Collection[str] = (),
) -> Offer:
    def supports(names: Collection[str], what: str):
        return lambda name: f"{what} {name}" if name in names else None

    return Offer(
        agent=supports(agent, "tool"),
        mcp=supports(mcp, "MCP"),
        mapped=supports(mapped, "mapping"),
        names=sorted({*agent, *mcp, *mapped} - set(forbidden)),
        rules=tuple(rules),
        permits=lambda name: name not in forbidden,
    )


@pytest.mark.req("IN-13")
@pytest.mark.parametrize(
    ("intent", "given", "mode", "reason"),
    [
        ("memory.write", {"agent": ["memory.write"]}, "agent", "tool memory.write"),
        (
            "memory.write",
            {"agent": ["memory.write"], "mcp": ["memory.write"], "mapped": ["memory.write"]},
            "agent",
            "tool memory.write",
        ),
        ("ssh.exec", {"agent": ["ssh.exec"], "mapped": ["ssh.exec"]}, "agent", "tool ssh.exec"),
        ("find", {"mcp": ["find"], "mapped": ["find"], "agent": ["find"]}, "mcp", "MCP find"),
        ("shop.x", {"mapped": ["shop.x"], "agent": ["shop.x"]}, "flow", "mapping shop.x"),
        ("gmail.triage", {}, "flow", "gmail.* is carried out by flows"),
        ("slack.any", {"agent": ["slack.any"]}, "flow", "slack.* is carried out by flows"),
        ("calendar.x", {}, "flow", "calendar.* is carried out by flows"),
        ("my.operation", {"agent": ["my.operation"]}, "agent", "tool my.operation"),
        ("agent.ask", {"agent": ["agent.ask"]}, "agent", "tool agent.ask"),
    ],
)
def test_auto_takes_the_first_that_fits(
    intent: str, given: dict[str, list[str]], mode: str, reason: str
) -> None:
    chosen = mode_choose(intent, "auto", user_id=ADA, offer=offer(**given))

    assert (chosen.mode, chosen.target, chosen.reason) == (mode, intent, reason)


@pytest.mark.req("IN-13")
def test_the_callers_own_rule_comes_before_everybodys() -> None:
    rules = [
        Rule(number=1, pattern="my.*", mode="flow"),
        Rule(number=9, pattern="my.operation", mode="agent", user_id=ADA),
    ]
    given = offer(agent=["my.operation"], rules=rules)

    adas = mode_choose("my.operation", "auto", user_id=ADA, offer=given)
    bens = mode_choose("my.operation", "auto", user_id=BEN, offer=given)

    assert (adas.mode, adas.reason) == ("agent", "own rule 9: my.operation")
    assert (bens.mode, bens.reason) == ("flow", "rule 1: my.*")


@pytest.mark.req("IN-13")
def test_a_rule_may_name_another_target() -> None:
    rules = [Rule(number=1, pattern="notes.add", mode="agent", target="memory.write")]
    given = offer(agent=["memory.write"], rules=rules)

    assert mode_choose("notes.add", "auto", user_id=ADA, offer=given).target == "memory.write"


@pytest.mark.req("IN-13")
def test_a_rule_whose_target_is_not_there_is_passed_over() -> None:
    rules = [Rule(number=1, pattern="my.*", mode="mcp")]
    given = offer(agent=["my.operation"], rules=rules)

    assert mode_choose("my.operation", "auto", user_id=ADA, offer=given).mode == "agent"


def test_rules_without_a_mode_say_nothing_of_it() -> None:
    rules = [Rule(number=1, pattern="*", per_minute=5)]
    given = offer(agent=["my.operation"], rules=rules)

    assert mode_choose("my.operation", "auto", user_id=ADA, offer=given).mode == "agent"
    assert rules_for("my.operation", rules, user_id=ADA) == rules


@pytest.mark.req("IN-13", "IN-06")
def test_an_explicit_mode_is_obeyed_or_refused() -> None:
    given = offer(agent=["shop.x"], mapped=["shop.x"])

    assert mode_choose("shop.x", "agent", user_id=ADA, offer=given).mode == "agent"
    with pytest.raises(ModeNotSupported) as refused:
        mode_choose("shop.x", "mcp", user_id=ADA, offer=given)
    assert refused.value.details == {"modes": ["agent", "flow"]}
    assert modes_of("shop.x", user_id=ADA, offer=given) == ["agent", "flow"]


@pytest.mark.req("IN-06")
@pytest.mark.parametrize("mode", ["auto", "agent", "mcp", "flow"])
def test_what_nobody_knows_is_unknown_in_every_mode(mode) -> None:
    given = offer(agent=["memory.search", "memory.write"])

    with pytest.raises(UnknownIntent) as refused:
        mode_choose("xyz", mode, user_id=ADA, offer=given)

    assert refused.value.detail == (
        "Intent 'xyz' not found. Available: [memory.search, memory.write]"
    )
    assert refused.value.details == {
        "available": ["memory.search", "memory.write"],
        "suggestions": [],
    }


@pytest.mark.req("IN-06")
def test_at_most_a_hundred_are_listed_and_three_suggested() -> None:
    given = offer(agent=[f"a.tool{n}" for n in range(150)])

    with pytest.raises(UnknownIntent) as refused:
        mode_choose("a.tool", "auto", user_id=ADA, offer=given)

    assert len(refused.value.details["available"]) == 100
    assert len(refused.value.details["suggestions"]) == 3


@pytest.mark.req("IN-02")
def test_what_is_there_and_not_permitted_is_forbidden() -> None:
    given = offer(agent=["my.operation", "other.one"], forbidden=["my.operation"])

    with pytest.raises(IntentForbidden):
        mode_choose("my.operation", "auto", user_id=ADA, offer=given)
    with pytest.raises(UnknownIntent):
        mode_choose("xyz", "auto", user_id=ADA, offer=offer(forbidden=["xyz"]))
