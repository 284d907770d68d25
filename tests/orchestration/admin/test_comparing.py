"""/admin/orchestration/run/<id>/compare/: what two models were told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from orchestration.admin.comparing import instructions_compared
from orchestration.models import Run


def page(run: Run) -> str:
    return f"/admin/orchestration/run/{run.pk}/compare/"


def test_keeps_lines_beside_their_counterparts() -> None:
    rows = instructions_compared("one\ntwo\nthree", "one\n2\nthree\nfour")

    assert [(r.tone, r.left_number, r.left, r.right_number, r.right) for r in rows] == [
        ("", 1, "one", 1, "one"),
        ("changed", 2, "two", 2, "2"),
        ("", 3, "three", 3, "three"),
        ("new", None, "", 4, "four"),
    ]


def test_leaves_out_what_is_the_same_far_from_a_change() -> None:
    same = [str(number) for number in range(40)]
    rows = instructions_compared("\n".join([*same, "old", *same]), "\n".join([*same, *same]))

    assert [(row.tone, row.left_out) for row in rows if row.tone] == [
        ("gap", 37),
        ("gone", 0),
        ("gap", 37),
    ]
    assert len(rows) == 3 + 3 + 3


def test_the_random_mark_of_a_run_is_no_difference() -> None:
    left, right = (
        f"Data stands in <<page-data {mark}>> .. <<end of page-data {mark}>>"
        for mark in ("a" * 20, "b" * 20)
    )

    assert [row.tone for row in instructions_compared(left, right)] == [""]


@pytest.mark.req("OV-71")
def test_shows_both_runs_side_by_side(admin_client: Client, finished: Callable[..., Run]) -> None:
    run = finished(instructions="You are brief.", model="m1")
    other = finished(instructions="You are polite.", model="m2")

    body = admin_client.get(page(run), {"with": str(other.pk)}).content.decode()

    assert "<del>You are brief.</del>" in body
    assert "<ins>You are polite.</ins>" in body
    assert "<strong>m2</strong>" in body


def test_offers_runs_of_the_same_session(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    run = finished(instructions="a", session_id="s")
    near = finished(instructions="b", session_id="s")
    far = finished(instructions="c")

    body = admin_client.get(page(run)).content.decode()

    assert str(near.pk) in body
    assert str(far.pk) not in body


def test_says_when_both_are_the_same(admin_client: Client, finished: Callable[..., Run]) -> None:
    run, other = finished(instructions="a"), finished(instructions="a")

    body = admin_client.get(page(run), {"with": str(other.pk)}).content.decode()

    assert "word for word" in body


def test_sealed_instructions_are_not_compared(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    run = finished(instructions="open words")
    other = finished(instructions="secret words", is_sealed=True)

    body = admin_client.get(page(run), {"with": str(other.pk)}).content.decode()

    assert "words" not in body.split("Instructions</h2>")[1]
    assert "Nothing to compare" in body


@pytest.mark.parametrize("asked", ["nonsense", "01900000-0000-7000-8000-000000000000"])
def test_an_unknown_counterpart_is_named(
    admin_client: Client, finished: Callable[..., Run], asked: str
) -> None:
    body = admin_client.get(page(finished(instructions="a")), {"with": asked}).content.decode()

    assert "There is no run with this id." in body


def test_instructions_are_for_those_with_the_permission(
    watcher: Client, finished: Callable[..., Run]
) -> None:
    run = finished(instructions="You are brief.")

    shown = watcher.get(f"/admin/orchestration/run/{run.pk}/change/").content.decode()

    assert watcher.get(page(run)).status_code == 403
    assert "You are brief." not in shown
    assert "Where is the spoon?" in shown
