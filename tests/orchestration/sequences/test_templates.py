from __future__ import annotations

from typing import Any

import pytest

from orchestration.sequences.templates import (
    FILLED_BYTES,
    filled,
    path_of,
    placeholders_in,
    url_filled,
)
from taskmapr.core.errors import InvalidInput

KNOWN = {
    "params": {"town": "Ulm", "n": 3, "flag": True},
    "steps": {"a": {"output": {"rows": [{"id": 7}, {"id": 8}]}, "error": None}},
}

pytestmark = pytest.mark.req("TQ-12")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ params.n }}", 3),
        ("{{params.flag}}", True),
        (" {{ params.n }}", " 3"),
        ("{{ steps.a.output.rows }}", [{"id": 7}, {"id": 8}]),
        ("{{ steps.a.output.rows.1.id }}", 8),
        ("{{ steps.a.error }}", None),
        ("{{ params.town }}{{ params.n }}", "Ulm3"),
        ("in {{ params.town }}: {{ steps.a.output.rows.0 }}", 'in Ulm: {"id":7}'),
        ("is {{ params.flag }} or {{ steps.a.error }}", "is true or null"),
        ({"{{ params.n }}": ["{{ params.n }}", 1.5]}, {"{{ params.n }}": [3, 1.5]}),
        ("} { {params.n}", "} { {params.n}"),
    ],
)
def test_placeholders_are_filled_in(template: Any, value: Any) -> None:
    assert filled(template, KNOWN) == value


@pytest.mark.parametrize(
    ("placeholder", "template"),
    [
        ("params.nowhere", "{{ params.nowhere }}"),
        ("params.town.0", "{{ params.town.0 }}"),
        ("steps.a.output.rows.2", "{{ steps.a.output.rows.2 }}"),
        ("steps.a.output.rows.-1", "{{ steps.a.output.rows.-1 }}"),
        ("steps.a.error.code", "because {{ steps.a.error.code }}"),
    ],
)
def test_what_is_not_there_is_refused_with_its_path(placeholder: str, template: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        filled({"x": [template]}, KNOWN)

    (field,) = refused.value.details["fields"]
    assert field == {"path": "params.x.0", "message": f"there is no {placeholder}"}


def test_what_is_filled_in_is_never_read_as_a_template() -> None:
    known = {"params": {"a": "{{ params.b }}", "b": "secret"}}

    assert filled("{{ params.a }}!", known) == "{{ params.b }}!"


def test_no_more_than_a_quarter_of_a_mebibyte_is_put_in() -> None:
    known = {"params": {"a": "x" * (FILLED_BYTES // 2)}}

    assert len(filled("{{ params.a }}{{ params.a }}", known)) == FILLED_BYTES
    with pytest.raises(InvalidInput):
        filled(["{{ params.a }}"] * 3, known)


def test_placeholders_are_told_with_their_places() -> None:
    template = {"x": ["{{ a.b }} {{ c }}", 1], "y": "{{ open"}

    found = [(".".join(at), name) for at, name in placeholders_in(template)]
    assert found == [("x.0", "a.b"), ("x.0", "c"), ("y", "")]


def test_a_path_has_plain_names() -> None:
    assert path_of("params.a-b.0") == ("params", "a-b", "0")
    assert [path_of(text) for text in ("", "a b", "a..b", ".a", "a.", "a|b", "a()")] == [None] * 7


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a b", "a%20b"),
        ("../admin?x=1#y", "..%2Fadmin%3Fx%3D1%23y"),
        ("...", "..."),
        ("ü", "%C3%BC"),
        (5, "5"),
        (True, "true"),
        (["a"], "%5B%22a%22%5D"),
    ],
)
def test_what_is_put_into_an_address_stays_within_its_part(value: Any, shown: str) -> None:
    known = {"params": {"x": value}}

    assert (
        url_filled("https://a.example/{{ params.x }}/end", known)
        == f"https://a.example/{shown}/end"
    )
    assert url_filled("https://a.example/?q={{params.x}}", known).endswith(f"?q={shown}")


@pytest.mark.parametrize("value", [".", ".."])
def test_no_value_leads_to_another_folder(value: str) -> None:
    with pytest.raises(InvalidInput):
        url_filled("https://a.example/in/{{ params.x }}/end", {"params": {"x": value}})
