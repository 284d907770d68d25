from __future__ import annotations

import pytest

from orchestration.page.request import parse_request


def said(*items: tuple[str, str]) -> list[dict]:
    return [
        {"id": f"{role}-{n}", "role": role, "content": content}
        for n, (role, content) in enumerate(items)
    ]


def contents(history: list, prompt: str = "now") -> list[str]:
    return [item.content for item in parse_request({"prompt": prompt, "history": history}).history]


@pytest.mark.req("OV-14")
def test_the_placeholder_and_the_repeated_prompt_are_dropped():
    history = said(("user", "a"), ("assistant", "b"), ("user", " now "), ("assistant", " "))

    assert contents(history) == ["a", "b"]


@pytest.mark.req("OV-14")
def test_only_the_last_repetition_is_dropped():
    assert contents(said(("user", "now"), ("assistant", "b"), ("user", "now"))) == ["now", "b"]


@pytest.mark.req("OV-14")
def test_an_answer_that_equals_the_prompt_is_kept():
    assert contents(said(("user", "a"), ("assistant", "now"))) == ["a", "now"]


@pytest.mark.req("OV-14")
def test_a_prompt_longer_than_the_limit_of_history_is_recognised():
    assert contents(said(("user", "x" * 20_000)), prompt="x" * 20_000) == []


@pytest.mark.req("OV-14")
def test_empty_items_are_dropped_everywhere():
    assert contents(said(("assistant", ""), ("user", "a"), ("user", " "), ("user", "b"))) == [
        "a",
        "b",
    ]


@pytest.mark.req("OV-13")
def test_the_last_50_are_kept_and_cut():
    history = said(*[("user", f"{n} " + "x" * 9_000) for n in range(60)])
    kept = contents(history)

    assert [text.split()[0] for text in kept] == [str(n) for n in range(10, 60)]
    assert {len(text) for text in kept} == {8_000}


@pytest.mark.req("OV-13")
@pytest.mark.parametrize(
    "broken", [7, None, {"role": "tool", "content": "x"}, {"role": "user", "content": []}]
)
def test_a_broken_item_is_skipped_and_counted(broken):
    request = parse_request({"prompt": "now", "history": [*said(("user", "a")), broken]})

    assert [item.content for item in request.history] == ["a"]
    assert request.dropped == 1
