from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestration.prompts.actions import MAX_BLOCK_BYTES, ActionBlocks
from orchestration.tools.ui_actions import ActionRules

RULES = ActionRules()


def run(*deltas: str) -> tuple[str, list, list[str]]:
    """All shown text, the action lists in order, the warnings."""
    blocks = ActionBlocks(RULES)
    shown, actions = "", []
    for delta in deltas:
        text, closed = blocks.feed(delta)
        shown, actions = shown + text, actions + closed
    text, closed, warnings = blocks.close()
    return shown + text, actions + closed, warnings


NAVIGATE = {"type": "navigate", "payload": {"path": "/posts"}}


@pytest.mark.req("OV-29", "OV-30", "OV-S4")
def test_a_split_block_is_taken_out_and_executed():
    shown, actions, warnings = run("Done [ACT", 'IONS]{"navigate":"/po', 'sts"}[/ACTI', "ONS] ok")

    assert shown == "Done  ok"
    assert actions == [[NAVIGATE]]
    assert warnings == []


@pytest.mark.req("OV-30", "OV-S4")
@pytest.mark.parametrize(
    "text",
    [
        "a lone [ACT",
        "[",
        "[/ACTI",
        "[ACTION] and [1] and [x]",
        "[[ACTION",
        "[action\u017f]x[/action\u017f]",
    ],
)
def test_text_that_is_no_tag_passes(text):
    assert run(*text) == (text, [], [])


@pytest.mark.req("OV-30")
def test_text_is_released_as_soon_as_it_cannot_be_a_tag():
    blocks = ActionBlocks(RULES)

    assert blocks.feed("see [ACT") == ("see ", [])
    assert blocks.feed("IV") == ("[ACTIV", [])
    assert blocks.feed("] [") == ("] ", [])
    assert blocks.feed("1]") == ("[1]", [])


@pytest.mark.req("OV-29")
def test_several_blocks_over_several_lines_in_any_case():
    text = 'a[actions]\n{"navigate": "/posts"}\n[/Actions]b[ACTIONS]{"highlight":"#x"}[/ACTIONS]c'
    shown, actions, _ = run(text)

    assert shown == "abc"
    assert actions == [
        [NAVIGATE],
        [{"type": "highlight", "payload": {"selectors": ["#x"], "duration": 5000}}],
    ]


@pytest.mark.req("OV-29")
def test_every_key_and_the_order_of_the_frame():
    block = {
        "custom": {"name": "c"},
        "scrollTo": "#s",
        "click": "#c",
        "startWalkthrough": [{"query": "#w"}],
        "highlight": ["#h"],
        "actions": [NAVIGATE, {"type": "scrollTo", "payload": {"selector": "#t"}}],
        "navigate": "/first",
    }
    _, actions, warnings = run(f"[ACTIONS]{json.dumps(block)}[/ACTIONS]")

    assert [(a["type"], a["payload"].get("path")) for a in actions[0]] == [
        ("navigate", "/first"),
        ("navigate", "/posts"),
        ("highlight", None),
        ("scrollTo", None),
        ("startWalkthrough", None),
        ("custom", None),
        ("scrollTo", None),
    ]
    assert len(warnings) == 1
    assert "click" in warnings[0]


@pytest.mark.req("OV-28", "OV-29", "OV-S5")
@pytest.mark.parametrize("path", ["javascript:alert(1)", "//evil.example", "https://evil.example"])
def test_a_forbidden_action_is_stripped_with_a_warning(path):
    shown, actions, warnings = run(f'a[ACTIONS]{{"navigate":"{path}"}}[/ACTIONS]b')

    assert (shown, actions) == ("ab", [])
    assert len(warnings) == 1


@pytest.mark.req("OV-30")
@pytest.mark.parametrize("end", ["", " \n", "[/ACT", "[/ACTIONS"])
def test_an_unclosed_but_complete_block_is_executed(end):
    shown, actions, warnings = run('a[ACTIONS]{"navigate":"/posts"}' + end)

    assert (shown, actions, warnings) == ("a", [[NAVIGATE]], [])


@pytest.mark.req("OV-30")
@pytest.mark.parametrize(
    "block",
    ['{"navigate":"/po', "no json[/ACTIONS]", "[1][/ACTIONS]", "", '{"a":"\ud800"}[/ACTIONS]'],
)
def test_a_broken_block_is_dropped_with_a_warning(block):
    shown, actions, warnings = run("a[ACTIONS]" + block)

    assert (shown, actions) == ("a", [])
    assert len(warnings) == 1


@pytest.mark.req("OV-30")
@pytest.mark.parametrize(("extra", "executed"), [(0, True), (1, False)])
def test_a_block_may_have_16_kib(extra, executed):
    body = json.dumps({"navigate": "/posts"}).ljust(MAX_BLOCK_BYTES + extra)
    text = f"a[ACTIONS]{body}[/ACTIONS]b"

    for deltas in ((text,), tuple(text)):
        shown, actions, warnings = run(*deltas)
        assert shown == "ab"
        assert (actions == [[NAVIGATE]]) is executed
        assert (warnings == []) is executed


@pytest.mark.req("OV-30")
def test_pieces_around_a_block_cannot_join_to_a_tag():
    shown, actions, _ = run('[ACT[ACTIONS]{}[/ACTIONS]IONS]{"navigate":"/posts"}[/ACTIONS]!')

    assert (shown, actions) == ("!", [[NAVIGATE]])


PIECES = st.lists(
    st.sampled_from(
        [
            *("[ACTIONS]", "[/ACTIONS]", "[actions]", "[/Actions]", "[ACT", "IONS]", "[/", "["),
            *('{"navigate":"/a"}', '{"highlight":"#x"}', "{", "}", "]", "text ", "ü", "[1]"),
            "x" * 9_000,
        ]
    )
    | st.text(max_size=4),
    max_size=12,
).map("".join)


@pytest.mark.req("OV-30")
@settings(max_examples=400, deadline=None)
@given(PIECES, st.lists(st.integers(0, 40_000), max_size=12))
@example('[ACT[ACTIONS]{}[/ACTIONS]IONS]{"navigate":"/a"}[/ACTIONS]', [3, 9, 20, 30])
def test_any_split_gives_the_same_result(text, cuts):
    bounds = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds)]
    whole = run(text)

    assert run(*pieces) == whole
    if len(text) < 2_000:
        assert run(*text) == whole


@pytest.mark.req("OV-30")
@settings(max_examples=400, deadline=None)
@given(PIECES)
def test_no_tag_is_ever_shown(text):
    assert not re.search(r"\[/?actions\]", run(text)[0], re.IGNORECASE | re.ASCII)


@given(st.text())
def test_text_without_tags_is_not_changed(text):
    if not re.search(r"\[/?actions\]", text, re.IGNORECASE | re.ASCII):
        assert run(text) == (text, [], [])
