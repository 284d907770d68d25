"""Filters of the list of runs: the questions that operators ask it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from agents_cfg.models import ModelProfile
from orchestration.admin.run_lists import subjects_of
from orchestration.intents.modes import MODES
from orchestration.models import Run
from orchestration.models.run import RunStatus
from orchestration.selectors.analytics import WINDOWS, runs_since_id
from taskmapr.core.errors import error_classes
from taskmapr.core.run_kinds import run_kinds
from taskmapr.core.run_state import FAILED, OPEN_STATUSES, TIMED_OUT

Choices = list[tuple[str, str]]

#: From here on a run is slow, slow to begin, or costly.
SLOW_MS: Final = 30_000
SLOW_START_MS: Final = 5_000
COSTLY_USD_MICROS: Final = 100_000

#: Statuses that people ask for together.
_TOGETHER: Final = {
    "open": ("Not over yet", OPEN_STATUSES),
    "troubled": ("Failed or timed out", frozenset({FAILED, TIMED_OUT})),
}

_LOOKS: Final = {
    "slow": ("Took more than 30 s", Q(duration_ms__gt=SLOW_MS)),
    "slow_start": ("First word after more than 5 s", Q(first_output_ms__gt=SLOW_START_MS)),
    "costly": ("Cost more than $ 0.10", Q(cost_usd_micros__gt=COSTLY_USD_MICROS)),
    "unpriced": (
        "Unknown cost",
        Q(cost_usd_micros__isnull=True) & (Q(input_tokens__gt=0) | Q(output_tokens__gt=0)),
    ),
    "silent": ("Ended without a word", Q(finished_at__isnull=False, first_output_ms__isnull=True)),
    "retried": ("Needed more than one attempt", Q(attempt__gt=1)),
    "put_off": (
        "Waits for its time",
        Q(due_at__isnull=False, enqueued_at__isnull=True, status__in=sorted(OPEN_STATUSES)),
    ),
    "sealed": ("Sealed", Q(is_sealed=True)),
}


class StatusFilter(DropdownFilter):  # type: ignore[misc]
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        together = [(name, words) for name, (words, _) in _TOGETHER.items()]
        return [*together, *((value, str(label)) for value, label in RunStatus.choices)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        wanted = self.value()
        if not wanted:
            return queryset
        statuses = _TOGETHER[wanted][1] if wanted in _TOGETHER else {wanted}
        return queryset.filter(status__in=statuses)


class SinceFilter(DropdownFilter):  # type: ignore[misc]
    """The dashboard's windows, by id: an exact index, whatever the other filters are."""

    title = "time of asking"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(window.name, f"Last {window.title}") for window in WINDOWS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        window = WINDOWS.get(self.value() or "")
        if window is None:
            return queryset
        since = window.starts(datetime.now(UTC))[0]
        return queryset.filter(pk__gte=runs_since_id(since), created_at__gte=since)


class LookFilter(DropdownFilter):  # type: ignore[misc]
    title = "what is worth a look"
    parameter_name = "look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(name, words) for name, (words, _) in _LOOKS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        wanted = self.value()
        return queryset.filter(_LOOKS[wanted][1]) if wanted in _LOOKS else queryset


class KindFilter(DropdownFilter):  # type: ignore[misc]
    """The kinds that this server knows; asking the table for them would read all of it."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(kind.name, kind.name) for kind in run_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class SubjectFilter(DropdownFilter):  # type: ignore[misc]
    """What was to be done, of the runs there are."""

    title = "type or intent"
    parameter_name = "subject"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        asked = request.GET.get(self.parameter_name, "")
        names = {*subjects_of(request.GET.get("kind", "")), asked} - {""}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(subject=self.value()) if self.value() else queryset


class ModeFilter(DropdownFilter):  # type: ignore[misc]
    """How intents are carried out."""

    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(mode, mode) for mode in MODES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(mode=self.value()) if self.value() else queryset


class ModelFilter(DropdownFilter):  # type: ignore[misc]
    """The models that are set up, and the one of the environment. Others work by address."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        stored = ModelProfile.objects.order_by("model").values_list("model", flat=True).distinct()
        asked = request.GET.get(self.parameter_name)
        names = {settings.TASKMAPR["default_model"], "mock/echo", *stored, *([asked] * bool(asked))}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(model=self.value()) if self.value() else queryset


class ErrorFilter(DropdownFilter):  # type: ignore[misc]
    title = "error"
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(code, code) for code in sorted({error.code for error in error_classes()})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(error_code=self.value()) if self.value() else queryset
