"""Reading tasks: one with its result, lists of them. Who may see what is a parameter."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from orchestration.dialects.task_result import LOG_LINES, SHOWN, TaskFacts, TaskResult
from orchestration.models import Artifact, Run
from orchestration.selectors.artifacts import urls_of
from orchestration.selectors.runs import runs_running
from taskmapr.core.errors import InvalidInput, TaskNotFound
from taskmapr.core.events import Event
from taskmapr.core.run_kinds import TASK
from taskmapr.users.credentials import Credential
from taskmapr.users.models import User

#: Bytes of a result in a list; of larger ones the task itself tells.
LISTED_RESULT_BYTES: Final = 64 * 1024
#: What may be asked for: a word of results → the statuses that it stands for.
STATUSES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        word: tuple(stored for stored, (shown, _) in SHOWN.items() if shown == word)
        for word, _ in SHOWN.values()
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads. `sees_all`: staff that may read what runs said."""

    user_id: UUID
    sees_all: bool = False

    @property
    def readable(self) -> Q:
        """Whose content may be read. Sealed runs are for their owners alone: operators open those
        in the admin, where that is noted."""
        own = Q(owner_id=self.user_id)
        return own | Q(is_sealed=False) if self.sees_all else own


def reader_of(user: User, credential: Credential | None) -> Reader:
    """A key reads what is its owner's, also when the owner is of the staff."""
    is_person = credential is None or credential.scopes is None
    sees_all = is_person and user.is_staff and user.has_perm("orchestration.read_content")
    return Reader(user_id=user.pk, sees_all=sees_all)


def tasks_of(reader: Reader) -> QuerySet[Run]:
    tasks = Run.objects.filter(kind=TASK.name)
    return tasks if reader.sees_all else tasks.filter(owner_id=reader.user_id)


def tasks_running(reader: Reader) -> list[UUID]:
    """See `runs_running`."""
    whose = Q() if reader.sees_all else Q(owner_id=reader.user_id)
    return runs_running(whose, kind=TASK.name)


def task_owned(*, task_id: str, reader: Reader) -> Run:
    """The row without its input. Raises TaskNotFound, also for what is no id at all."""
    try:
        wanted = UUID(task_id)
    except ValueError:
        raise TaskNotFound from None
    task = without_input(tasks_of(reader)).filter(pk=wanted).first()
    if task is None:
        raise TaskNotFound
    return task


def task_result(*, task: Run, with_logs: bool = True, after_seq: int = 0) -> TaskResult:
    """One task's result. after_seq: only lines of the log after this event are told.

    Two queries, however long the log.
    """
    lines = LOG_LINES + 1 if with_logs else 0
    return _results([task], lines=lines, after_seq=after_seq, result_bytes=None)[0]


def task_document(run_id: UUID) -> dict[str, Any]:
    """What a callback tells of a task: its result without the lines of its log."""
    task = without_input(Run.objects.filter(pk=run_id)).get()
    return task_result(task=task, with_logs=False).body(now=datetime.now(UTC), with_logs=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a reader's tasks is to be listed, newest first."""

    status: str = ""
    task_type: str = ""
    limit: int = 50
    #: As given with the page before; empty: from the newest on.
    cursor: str = ""


def tasks_listed(*, reader: Reader, wanted: Wanted) -> dict[str, Any]:
    """One page: {items, next_cursor, count}. Raises InvalidInput for a status or cursor that is
    none. Three queries, however many tasks."""
    tasks = without_input(tasks_of(reader)).order_by("-id")
    if wanted.status:
        if wanted.status not in STATUSES:
            raise InvalidInput.of(("status", f"must be one of {', '.join(STATUSES)}"))
        tasks = tasks.filter(status__in=STATUSES[wanted.status])
    if wanted.task_type:
        tasks = tasks.filter(subject=wanted.task_type)
    if wanted.cursor:
        tasks = tasks.filter(pk__lt=_cursor_read(wanted.cursor))
    found = list(tasks[: wanted.limit + 1])
    page = found[: wanted.limit]
    now = datetime.now(UTC)
    items = [_without_logs(result.body(now=now, with_logs=False)) for result in tasks_told(page)]
    return {
        "items": items,
        "next_cursor": _cursor_of(page[-1].pk) if len(found) > len(page) else None,
        "count": len(items),
    }


def tasks_told(tasks: Sequence[Run]) -> list[TaskResult]:
    """Results of many tasks, without lines of their logs; very large ones as truncated."""
    return _results(tasks, lines=0, after_seq=0, result_bytes=LISTED_RESULT_BYTES)


def task_facts(task: Run, gone: Iterable[str] = ()) -> TaskFacts:
    """What the row says; `task` as the functions above read it."""
    links = {
        "retry_of": getattr(task, "retry_of", None),
        "step_of": getattr(task, "of_sequence", None),
    }
    return TaskFacts(
        task_id=str(task.pk),
        task_type=task.subject,
        status=task.status,
        attempt=task.attempt,
        max_retries=max(0, task.max_attempts - 1),
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        error_code=task.error_code,
        error_message=task.error_message,
        is_erased=task.content_erased_at is not None,
        gone=frozenset(gone),
        details={name: link for name, link in links.items() if link},
    )


def without_input(tasks: QuerySet[Run]) -> QuerySet[Run]:
    """With all of it that `task_facts` needs."""
    return tasks.annotate(
        retry_of=KeyTextTransform("retry_of", F("input")),
        of_sequence=KeyTransform("step_of", F("input")),
    ).defer("input", "instructions")


def _without_logs(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in {"logs", "logs_truncated"}}


def _results(
    tasks: Sequence[Run], *, lines: int, after_seq: int, result_bytes: int | None
) -> list[TaskResult]:
    ids = [task.pk for task in tasks]
    gone: defaultdict[UUID, list[str]] = defaultdict(list)
    removed = Artifact.objects.filter(run_id__in=ids, erased_at__isnull=False)
    for run_id, name in removed.values_list("run_id", "name"):
        gone[run_id].append(name)
    results = {
        task.pk: TaskResult(task_facts(task, gone[task.pk]), urls_of(task.pk)) for task in tasks
    }
    for event in _events(ids, lines=lines, after_seq=after_seq, result_bytes=result_bytes):
        results[event.run_id].feed(event)
    return list(results.values())


# Of lines, progress and results only the last ones are read: a task may have written thousands.
_EVENTS: Final = """
WITH told AS (
  SELECT e.run_id, e.seq, e.kind, e.data, e.at FROM agent_run_events e
  WHERE e.run_id = ANY(%(ids)s) AND e.kind IN ('run.started', 'run.retrying', 'run.paused',
    'run.resumed', 'run.finished', 'error', 'artifact', 'approval.requested',
    'approval.resolved')
  UNION ALL
  SELECT l.run_id, l.seq, l.kind, l.data, l.at
  FROM unnest(%(ids)s::uuid[]) AS r(id),
    (VALUES ('progress', 0, 1), ('result', 0, 1), ('log', %(after)s, %(lines)s))
      AS last(kind, after, most),
    LATERAL (
      SELECT e.run_id, e.seq, e.kind, e.data, e.at FROM agent_run_events e
      WHERE e.run_id = r.id AND e.kind = last.kind AND e.seq > last.after
      ORDER BY e.seq DESC LIMIT last.most
    ) AS l
)
SELECT run_id, seq, kind,
  CASE WHEN kind = 'result' AND octet_length(data::text) > %(result_bytes)s
       THEN '{"value": {"truncated": true}}'::jsonb ELSE data END,
  at
FROM told ORDER BY run_id, seq
"""


def _events(
    ids: list[UUID], *, lines: int, after_seq: int, result_bytes: int | None
) -> Iterator[Event]:
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENTS,
            {
                "ids": ids,
                "lines": lines,
                "after": after_seq,
                "result_bytes": 2**31 - 1 if result_bytes is None else result_bytes,
            },
        )
        for run_id, seq, kind, data, at in cursor.fetchall():
            # Django leaves JSON of plain cursors as text.
            given = orjson.loads(data) if isinstance(data, str | bytes) else data
            yield Event(run_id, seq, kind, given, at)


def _cursor_of(task_id: UUID) -> str:
    return base64.urlsafe_b64encode(task_id.bytes).decode().rstrip("=")


def _cursor_read(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise InvalidInput.of(("cursor", "is not one of those that a page gave")) from None
