"""What the list of runs shows and finds, with a bounded number of queries."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Left

from orchestration.models import Run, Session
from taskmapr.users.models import User

#: Characters of a prompt in a list, and of owners that a search finds.
EXCERPT_LENGTH: Final = 90
MAX_OWNERS: Final = 200
MAX_SUBJECTS: Final = 200

_SUBJECTS: Final = """
WITH RECURSIVE named AS (
  (SELECT kind, subject FROM agent_runs
   WHERE subject <> '' AND (%(kind)s = '' OR kind = %(kind)s)
   ORDER BY kind, subject LIMIT 1)
  UNION ALL
  SELECT following.kind, following.subject FROM named, LATERAL (
    SELECT kind, subject FROM agent_runs
    WHERE subject <> '' AND (kind, subject) > (named.kind, named.subject)
      AND (%(kind)s = '' OR kind = %(kind)s)
    ORDER BY kind, subject LIMIT 1) AS following
)
SELECT subject FROM named LIMIT %(most)s
"""


def runs_listed(runs: QuerySet[Run], *, with_words: bool) -> QuerySet[Run]:
    """Without heavy columns; with_words: with the beginning of the prompt where it is readable."""
    if not with_words:
        nothing = Value("", output_field=TextField())
        return _light(runs).annotate(excerpt=nothing)
    prompt = Left(Coalesce(KeyTextTransform("prompt", F("input")), Value("")), EXCERPT_LENGTH)
    return _light(runs).annotate(
        excerpt=Case(When(is_sealed=False, then=prompt), default=Value(""))
    )


def _light(runs: QuerySet[Run]) -> QuerySet[Run]:
    return runs.select_related("owner", "profile").defer(
        "input", "instructions", "error_message", "owner__password"
    )


def subjects_of(kind: str) -> list[str]:
    """Names of what runs of this kind were to do, all kinds if "", by name; at most MAX_SUBJECTS.

    One query that steps from name to name along the index, however many runs there are.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUBJECTS, {"kind": kind, "most": MAX_SUBJECTS})
        return sorted({subject for (subject,) in cursor.fetchall()})


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
