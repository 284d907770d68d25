"""What the list of runs shows, finds and filters, with a bounded number of queries."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.admin import SimpleListFilter
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Left
from django.http import HttpRequest

from agents_cfg.models import ModelProfile
from orchestration.models import Run, Session
from taskmapr.core.run_kinds import run_kinds
from taskmapr.users.models import User

#: Characters of a prompt in a list, and of owners that a search finds.
EXCERPT_LENGTH: Final = 90
MAX_OWNERS: Final = 200


def runs_listed(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Without heavy columns, with the beginning of the prompt where it is readable."""
    prompt = Left(Coalesce(KeyTextTransform("prompt", F("input")), Value("")), EXCERPT_LENGTH)
    return (
        runs.select_related("owner", "profile")
        .defer("input", "instructions", "error_message", "owner__password")
        .annotate(excerpt=Case(When(is_sealed=False, then=prompt), default=Value("")))
    )


def runs_found(runs: QuerySet[Run], term: str) -> QuerySet[Run]:
    """Runs with this id, of sessions that begin so, or of owners whose address holds the term."""
    words = term.strip()
    if (run_id := _uuid(words)) is not None:
        return runs.filter(Q(pk=run_id) | Q(owner_id=run_id) | Q(session_id=words))
    sessions = Session.objects.filter(session_id__startswith=words).values("pk")
    return runs.filter(Q(session_id__in=sessions) | Q(owner_id__in=owner_ids(words)))


def owner_ids(words: str) -> list[UUID]:
    """The first accounts whose address holds these words."""
    found = User.objects.filter(email__contains=words.lower()).values_list("pk", flat=True)
    return list(found[:MAX_OWNERS])


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class KindFilter(SimpleListFilter):
    """The kinds that this server knows; asking the table for them would read all of it."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.name) for kind in run_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class ModelFilter(SimpleListFilter):
    """The models that are set up, and the one of the environment."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        stored = ModelProfile.objects.order_by("model").values_list("model", flat=True).distinct()
        names = {settings.TASKMAPR["default_model"], "mock/echo", *stored}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(model=self.value()) if self.value() else queryset
