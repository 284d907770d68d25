"""The steps of a sequence as rows of a form: order, name, type, parameters, what follows a failure.

Parameters are written line by line, `name = value`; a value that reads as JSON is that, every other
one is a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestration.sequences.plans import CONTINUE, STEPS_MOST, STOP

#: Empty rows below the steps that are there.
SPARE: Final = 3
_MEMBERS: Final = ("order", "name", "type", "params", "goes_on")

#: {order, name, type, params, goes_on}: as the form has them, all texts.
Row = Mapping[str, str]
Step = Mapping[str, Any]


class StepsField(forms.Field):
    """A list of steps as a sequence's content has them."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            label="Steps",
            widget=StepsWidget(),
            help_text=(
                "Done in the order of their numbers; a row without name and type is left out."
                " Parameters are written one per line, name = value. {{ params.city }} stands for"
                " what the task is assigned with, {{ steps.first.output.id }} for what an earlier"
                " step gave; also known of one: status, error.code, task_id. Save for more rows."
            ),
        )

    def prepare_value(self, value: Any) -> Any:
        """Steps as rows; rows that were sent and refused stay as they are."""
        if not isinstance(value, list):
            return []
        return [_row(n, step) if "order" not in step else step for n, step in enumerate(value, 1)]

    def to_python(self, value: Any) -> list[dict[str, Any]]:
        rows = [row for row in value or () if row["name"] or row["type"]]
        problems: list[str] = []
        numbered = [(_number(row, problems), _step(row, problems)) for row in rows]
        if problems:
            raise forms.ValidationError(problems)
        return [step for _, step in sorted(numbered, key=lambda pair: pair[0])]

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except forms.ValidationError:
            return True


class StepsWidget(forms.Widget):
    """`types`: names to choose from, set by the form."""

    types: Sequence[str] = ()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        return [
            {member: str(data.get(f"{name}-{n}-{member}") or "").strip() for member in _MEMBERS}
            for n in range(STEPS_MOST + SPARE)
            if any(data.get(f"{name}-{n}-{member}") for member in _MEMBERS)
        ]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        rows = list(value or ())
        rows += [dict.fromkeys(_MEMBERS, "")] * min(SPARE, max(0, STEPS_MOST - len(rows)))
        lines = format_html_join("", "{}", ((self._line(name, n, r),) for n, r in enumerate(rows)))
        return format_html(
            '<div class="tm-table-frame" tabindex="0" role="region" aria-label="Steps, table">'
            '<table class="tm-table tm-steps"><thead><tr><th scope="col">Order</th>'
            '<th scope="col">Name and type</th><th scope="col">Parameters</th>'
            '<th scope="col">Goes on when it fails</th></tr></thead><tbody>{}</tbody>'
            "</table></div>",
            lines,
        )

    def _line(self, name: str, number: int, row: Row) -> SafeString:
        def said(member: str, label: str) -> SafeString:
            return format_html(
                'name="{}-{}-{}" aria-label="{} of step {}"',
                name,
                number,
                member,
                label,
                number + 1,
            )

        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            (
                (kind, " selected" if kind == row["type"] else "", kind or "none")
                for kind in dict.fromkeys(("", *self.types, row["type"]))
            ),
        )
        return format_html(
            '<tr><td><input class="tm-input" type="number" min="1" max="999" {} value="{}"></td>'
            '<td><input class="tm-input" type="text" maxlength="40" {} value="{}">'
            '<select class="tm-input" {}>{}</select></td>'
            '<td><textarea class="tm-input" rows="4" {}>{}</textarea></td>'
            '<td><input type="checkbox" {}{}></td></tr>',
            said("order", "Order"),
            row["order"],
            said("name", "Name"),
            row["name"],
            said("type", "Type"),
            options,
            said("params", "Parameters"),
            # A browser takes the first line break away.
            format_html("\n{}", row["params"]),
            said("goes_on", "Goes on after a failure"),
            " checked" if row["goes_on"] else "",
        )


def _row(number: int, step: Step) -> Row:
    return {
        "order": str(number),
        "name": str(step.get("name", "")),
        "type": str(step.get("type", "")),
        "params": "\n".join(_line_of(n, v) for n, v in (step.get("params") or {}).items()),
        "goes_on": "on" if step.get("on_error") == CONTINUE else "",
    }


def _step(row: Row, problems: list[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for line in filter(None, map(str.strip, row["params"].splitlines())):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or not equals:
            problems.append(f"Step {row['name'] or row['order']}: {line[:60]!r} is no name = value")
        else:
            params[name] = _value(value)
    goes_on = CONTINUE if row["goes_on"] else STOP
    return {"name": row["name"], "type": row["type"], "params": params, "on_error": goes_on}


def _number(row: Row, problems: list[str]) -> int:
    """Rows without a number go last, as they stand."""
    if not row["order"]:
        return 1000
    if not row["order"].isdecimal() or not 1 <= int(row["order"]) < 1000:
        problems.append(f"Step {row['name']}: the order is a number from 1 to 999")
        return 1000
    return int(row["order"])


def _line_of(name: str, value: Any) -> str:
    is_plain = isinstance(value, str) and value == value.strip() and _value(value) == value
    is_plain = is_plain and len(value.splitlines()) == 1
    return f"{name} = {value if is_plain else json.dumps(value, ensure_ascii=False)}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
