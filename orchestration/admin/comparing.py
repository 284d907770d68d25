"""Two runs side by side: the figures, and line by line what their models were told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from orchestration.admin.access import may_read_instructions
from orchestration.models import Run
from taskmapr.foundation.figures import NONE, count_text, duration_text, money_text

#: Lines of each side that are compared, and unchanged lines kept around a change.
LINES: Final = 3_000
AROUND: Final = 3
#: Runs that are offered for the comparison.
OFFERED: Final = 10
#: The mark around a page's data is new in every run: it would make each block a difference.
_MARK: Final = re.compile(r"page-data (\w{16,})")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of both sides. tone: "" (same), "changed", "gone", "new" or "gap" (lines left out)."""

    tone: str
    left_number: int | None = None
    left: str = ""
    right_number: int | None = None
    right: str = ""
    left_out: int = 0


def run_compare(request: HttpRequest, *, model_admin: ModelAdmin, run_id: UUID) -> HttpResponse:
    """`?with=` names the other run; without it, runs to choose from."""
    if not (model_admin.has_view_permission(request) and may_read_instructions(request)):
        raise PermissionDenied
    run = _found(run_id)
    if run is None:
        raise Http404
    asked = request.GET.get("with", "").strip()
    other = _found(asked) if asked else None
    readable = [row for row in (run, other) if row is not None and _is_readable(row)]
    is_both = len(readable) == 2
    rows = instructions_compared(run.instructions, other.instructions) if is_both and other else []
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Compare instructions",
        "opts": model_admin.opts,
        "run": run,
        "other": other,
        "asked": asked,
        "facts": _facts(run, other) if other else [],
        "is_both": is_both,
        "is_same": is_both and not any(row.tone for row in rows),
        "rows": rows,
        "offered": _offered(run),
    }
    return TemplateResponse(request, "orchestration/run_compare.html", context)


def instructions_compared(left: str, right: str) -> list[Row]:
    """Both texts line by line; what did not change is left out but for a few lines around."""
    before, after = (_unmarked(text).splitlines()[:LINES] for text in (left, right))
    rows: list[Row] = []
    for tone, i, i_end, j, j_end in SequenceMatcher(
        a=before, b=after, autojunk=False
    ).get_opcodes():
        if tone == "equal":
            rows += _unchanged(before, i, i_end, j, is_first=not i, is_last=i_end == len(before))
        else:
            rows += _changed(before[i:i_end], after[j:j_end], i, j)
    return rows


def _unmarked(text: str) -> str:
    mark = _MARK.search(text)
    return text.replace(mark[1], "(mark of this run)") if mark else text


def _unchanged(
    lines: list[str], i: int, end: int, j: int, *, is_first: bool, is_last: bool
) -> list[Row]:
    rows = [Row("", i + n + 1, lines[i + n], j + n + 1, lines[i + n]) for n in range(end - i)]
    head, tail = 0 if is_first else AROUND, 0 if is_last else AROUND
    left_out = len(rows) - head - tail
    if left_out <= 1 or (is_first and is_last):
        return rows
    return [*rows[:head], Row("gap", left_out=left_out), *rows[len(rows) - tail :]]


def _changed(before: list[str], after: list[str], i: int, j: int) -> list[Row]:
    rows = []
    for n in range(max(len(before), len(after))):
        has_left, has_right = n < len(before), n < len(after)
        rows.append(
            Row(
                "changed" if has_left and has_right else "gone" if has_left else "new",
                i + n + 1 if has_left else None,
                before[n] if has_left else "",
                j + n + 1 if has_right else None,
                after[n] if has_right else "",
            )
        )
    return rows


def _found(run_id: UUID | str) -> Run | None:
    try:
        wanted = run_id if isinstance(run_id, UUID) else UUID(run_id)
    except ValueError:
        return None
    return Run.objects.select_related("profile").defer("input").filter(pk=wanted).first()


def _is_readable(run: Run) -> bool:
    return not run.is_sealed and bool(run.instructions)


def _offered(run: Run) -> list[Run]:
    """Earlier and later runs with instructions: of the same session first, else of the profile."""
    near = Run.objects.filter(is_sealed=False).exclude(pk=run.pk).exclude(instructions="")
    light = near.only("id", "kind", "model", "profile_version", "status", "created_at")
    if run.session_id and (same := list(light.filter(session=run.session_id)[:OFFERED])):
        return same
    return list(light.filter(kind=run.kind, pk__lt=run.pk)[:OFFERED])


def _facts(run: Run, other: Run) -> list[tuple[str, str, str, bool]]:
    """Name, both values, and whether they differ."""
    pairs = [
        (name, words, of) for (name, words), (_, of) in zip(_told(run), _told(other), strict=True)
    ]
    return [(name, left, right, left != right) for name, left, right in pairs]


def _told(run: Run) -> list[tuple[str, str]]:
    tokens = run.input_tokens + run.output_tokens
    profile = f"{run.profile.name} version {run.profile_version}" if run.profile else "built-in"
    facts: list[tuple[str, Any]] = [
        ("Status", run.status.replace("_", " ")),
        ("Profile", profile),
        ("Model", run.model or NONE),
        ("Tokens in / out", f"{count_text(run.input_tokens)} / {count_text(run.output_tokens)}"),
        ("Cost", money_text(run.cost_usd_micros, tokens=tokens)),
        ("First output after", duration_text(run.first_output_ms)),
        ("Took", duration_text(run.duration_ms)),
    ]
    return facts
