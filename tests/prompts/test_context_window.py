from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.prompts.overlay import Part
from orchestration.prompts.window import ContextWindow, LeftOut, tokens_of_request
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ToolDefinition

PARTS = {"core": "c" * 4_000, "previews": "p" * 4_000, "elements": "e" * 4_000}
PROMPT = {"role": "user", "content": "q" * 400}


def composed(leave_out: Collection[Part] = ()) -> str:
    return "".join(text for name, text in PARTS.items() if name not in leave_out)


def exchange(name: str, size: int = 4_000) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": name},
        {"role": "assistant", "content": "a" * size},
    ]


def called(name: str) -> list[dict[str, Any]]:
    """An exchange with a tool call in it."""
    call = {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [
        {"role": "user", "content": name},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": name, "content": "r" * 4_000},
        {"role": "assistant", "content": "done"},
    ]


class Told:
    """A run's window and what it says was left out."""

    def __init__(
        self,
        earlier: list[dict[str, Any]],
        *,
        window: int | None,
        later: list[dict[str, Any]] | None = None,
        max_output_tokens: int = 100,
    ) -> None:
        self.left_out: list[LeftOut] = []
        self.window = ContextWindow(
            compose=composed,
            earlier=len(earlier),
            window_of=lambda endpoint: endpoint.context_tokens,
            on_left_out=lambda request, left_out: self.left_out.append(left_out),
        )
        self.request = ModelRequest(
            endpoint=ModelEndpoint(model="m", context_tokens=window),
            instructions=composed(),
            messages=[*earlier, PROMPT, *(later or [])],
            tools=[ToolDefinition(name="f", summary="s" * 40, input_schema={"type": "object"})],
            max_output_tokens=max_output_tokens,
        )

    def fitted(self) -> ModelRequest:
        return self.window.fitted(self.request)


def names(request: ModelRequest) -> list[str]:
    """The questions that are left, by name; the prompt is `q`."""
    return [m["content"][:8].rstrip("q") or "q" for m in request.messages if m["role"] == "user"]


@pytest.mark.req("OV-39")
@pytest.mark.parametrize("window", [None, 1_000_000])
def test_what_fits_is_told_whole(window: int | None) -> None:
    told = Told([*exchange("one"), *exchange("two")], window=window)

    assert told.fitted() is told.request
    assert told.left_out == []


#: The whole is about 5,300 tokens: 3,000 instructions, 2 x 1,000 earlier, 100 prompt.
@pytest.mark.req("OV-39")
@pytest.mark.parametrize(
    ("window", "questions", "parts", "left_out"),
    [
        (6_100, ["one", "two", "q"], ["core", "previews", "elements"], None),
        (5_600, ["one", "two", "q"], ["core", "elements"], (0, False)),
        (4_500, ["two", "q"], ["core", "elements"], (2, False)),
        (3_000, ["q"], ["core", "elements"], (4, False)),
        (2_000, ["q"], ["core"], (4, True)),
        (500, ["q"], ["core"], (4, True)),
    ],
)
def test_previews_go_first_then_the_oldest_exchanges_then_elements(
    window: int, questions: list[str], parts: list[str], left_out: tuple[int, bool] | None
) -> None:
    told = Told([*exchange("one"), *exchange("two")], window=window)

    request = told.fitted()

    assert names(request) == questions
    assert [name for name in PARTS if PARTS[name] in request.instructions] == parts
    assert [(out.messages, out.elements) for out in told.left_out] == [left_out][: bool(left_out)]


@pytest.mark.req("OV-39")
def test_a_tool_call_keeps_its_result_or_goes_with_it() -> None:
    for window in range(1_000, 7_000, 100):
        told = Told([*called("one"), *called("two"), *exchange("three")], window=window)
        kept = told.fitted().messages
        calls = {call["id"] for m in kept for call in m.get("tool_calls") or ()}
        results = {m["tool_call_id"] for m in kept if m["role"] == "tool"}

        assert calls == results
        assert kept[0]["role"] == "user"


@pytest.mark.req("OV-39")
def test_the_prompt_and_the_run_s_own_messages_never_go() -> None:
    later = called("now")[1:]
    told = Told(exchange("one"), window=10, later=later)

    assert told.fitted().messages == [PROMPT, *later]


@pytest.mark.req("OV-39")
def test_the_answer_has_its_room() -> None:
    short, long = (Told(exchange("one"), window=5_000, max_output_tokens=n) for n in (10, 2_000))

    assert short.fitted() is short.request
    assert tokens_of_request(long.fitted()) <= 2_500


@pytest.mark.req("OV-39")
def test_a_refused_request_is_halved_and_stays_small() -> None:
    told = Told([*exchange("one"), *exchange("two")], window=None)
    whole = told.fitted()

    smaller = told.window.smaller(told.request, whole)

    assert smaller is not None
    assert tokens_of_request(smaller) <= tokens_of_request(whole) // 2
    assert names(smaller) == ["q"]
    later = [*told.request.messages, {"role": "assistant", "content": "x"}]
    assert names(told.window.fitted(replace(told.request, messages=later))) == ["q"]
    other = replace(told.request, endpoint=ModelEndpoint(model="other"))
    assert told.window.fitted(other) is other


@pytest.mark.req("OV-39")
def test_what_has_nothing_more_to_leave_out_cannot_be_smaller() -> None:
    told = Told(exchange("one"), window=10)
    smallest = told.fitted()
    said = len(told.left_out)

    assert told.window.smaller(told.request, smallest) is None
    assert len(told.left_out) == said


@pytest.mark.req("OV-39")
def test_the_note_says_what_was_left_out() -> None:
    whole = LeftOut(model="m", messages=4, elements=True)
    little = LeftOut(model="m", messages=0, elements=False)

    assert str(little) == "Left out for the context window of m: text previews."
    assert str(whole) == (
        "Left out for the context window of m: text previews, 4 earlier messages,"
        " the lines of elements."
    )


MESSAGES = st.lists(
    st.sampled_from(["one", "two", "three"]).flatmap(
        lambda name: st.sampled_from([exchange(name, 40), exchange(name), called(name)])
    ),
    max_size=6,
).map(lambda parts: [message for part in parts for message in part])


@pytest.mark.req("OV-39")
@settings(deadline=None)
@given(MESSAGES, st.integers(0, 20_000))
def test_a_smaller_window_never_tells_more(earlier: list[Mapping[str, Any]], window: int) -> None:
    told = Told([dict(m) for m in earlier], window=window)
    request = told.fitted()
    smaller = Told([dict(m) for m in earlier], window=window // 2).fitted()

    assert tokens_of_request(smaller) <= tokens_of_request(request)
    tail = list(request.messages)
    assert tail == list(told.request.messages)[-len(tail) :]


def test_other_writing_is_not_taken_for_less() -> None:
    def tokens(text: str) -> int:
        return tokens_of_request(
            ModelRequest(endpoint=ModelEndpoint(model="m"), instructions=text, messages=[])
        )

    sizes = [tokens(text) for text in ("ab" * 400, "äb" * 400, "日本" * 400)]
    assert all(less < more for less, more in pairwise(sizes))
