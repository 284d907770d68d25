"""Bringing the database into agreement with the knowledge folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import OperationalError, connection, transaction

from memory.knowledge.files import Found, FoundFile, collections_find
from memory.knowledge.watch import watch
from memory.models import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument
from memory.services.knowledge_documents import documents_write
from taskmapr.core import wired
from taskmapr.core.jobs import KNOWLEDGE_REFRESH, QUEUE_CHORES

logger = logging.getLogger(__name__)

#: Documents that one transaction writes.
BATCH: Final = 50
#: A search takes over so many changes by itself and leaves more of them to the job.
AT_ONCE: Final = 50
#: Whoever writes the index holds this advisory lock until commit; others wait so long.
_LOCK: Final = 0x6B6E_6F77
_PATIENCE: Final = "1s"
_LOCK_NOT_AVAILABLE: Final = "55P03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """How many documents were read and removed, and how many that changed were left."""

    read: int = 0
    removed: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class _Difference:
    """What the database must take over."""

    changed: list[tuple[int, FoundFile]]
    removed: list[int]


def knowledge_freshen() -> None:
    """Take over what little changed in the folder; more than AT_ONCE changes are left to the job.

    For those who search, when `watch.has_changed` says that there is something.
    """
    knowledge_refresh(at_most=AT_ONCE)


def knowledge_refresh(*, at_most: int | None = None) -> Refreshed:
    """The database knows the collections and documents that the folder holds.

    at_most: when more documents changed than this, none is read. A folder that is not there at all
    (not mounted yet) makes nothing forgotten. Only what has another size or time is read, and only
    what has other bytes is indexed anew. Safe to call anywhere and at the same time: writes happen
    under one lock, in transactions of BATCH documents.
    """
    root: Path = settings.KNOWLEDGE_ROOT
    try:
        with _alone():
            # Under the lock: what an earlier look had not seen yet would be taken for removed.
            found = collections_find(root)
            if found is None:
                return Refreshed()
            ids = _collections_store(found)
            difference = _difference(found, ids)
            _removed_delete(difference.removed)
        count = len(difference.changed)
        if at_most is not None and count > at_most:
            return Refreshed(removed=len(difference.removed), left=count)
        read = _changed_write(root, difference.changed, {pk: name for name, pk in ids.items()})
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        logger.info("Knowledge is being indexed by another process; nothing was done here")
        return Refreshed(left=1)
    watch.settle(root, found)
    done = Refreshed(read=read, removed=len(difference.removed))
    if done.read or done.removed:
        logger.info("Knowledge: %d documents read, %d removed", done.read, done.removed)
    return done


def knowledge_collection_reindex(*, collection: KnowledgeCollection) -> None:
    """Have every file of a collection read again by the job; what is there is found until then.

    Pieces whose words stay the same keep their vectors; those that the embedding model refused are
    asked again. Raises QueueUnavailable.
    """
    refused = KnowledgeChunk.objects.filter(collection=collection).exclude(embedding_refusal="")
    refused.update(embedding_model="", embedding_refusal="")
    collection.documents.update(mtime_ns=-1, sha256="")
    wired.ports().queue.enqueue(KNOWLEDGE_REFRESH, queue=QUEUE_CHORES)


@contextmanager
def _alone() -> Iterator[None]:
    """A transaction in which no other process writes the index. Raises OperationalError when
    another one takes longer than _PATIENCE."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield


def _collections_store(found: Found) -> dict[str, int]:
    """Ids of the collections by name. Those without a folder are gone with their documents."""
    known = {row.name: row for row in KnowledgeCollection.objects.all()}
    KnowledgeCollection.objects.filter(name__in=known.keys() - found.keys()).delete()
    for name, folder in found.items():
        row = known.get(name) or KnowledgeCollection(name=name)
        if row.pk is None or row.problem != folder.problem:
            row.problem = folder.problem
            row.save()
            known[name] = row
    return {name: known[name].pk for name in found}


def _difference(found: Found, ids: dict[str, int]) -> _Difference:
    fields = ("pk", "collection_id", "path", "size_bytes", "mtime_ns", "problem")
    stored = {
        (collection_id, path): (pk, size, mtime, problem)
        for pk, collection_id, path, size, mtime, problem in (
            KnowledgeDocument.objects.order_by().values_list(*fields)
        )
    }
    changed = []
    for name, folder in found.items():
        if folder.problem:
            # A link, or unreadable: what was known of it is found no more.
            continue
        for file in folder.files.values():
            row = stored.pop((ids[name], file.path), None)
            if row is None or not _is_same(file, *row[1:]):
                changed.append((ids[name], file))
    return _Difference(changed, [pk for pk, *_ in stored.values()])


def _is_same(file: FoundFile, size: int, mtime: int, problem: str) -> bool:
    is_refused = bool(file.problem) and file.problem != problem
    return (file.size_bytes, file.mtime_ns) == (size, mtime) and not is_refused


def _removed_delete(ids: list[int]) -> None:
    if ids:
        KnowledgeDocument.objects.filter(pk__in=ids).delete()


def _changed_write(root: Path, changed: list[tuple[int, FoundFile]], names: dict[int, str]) -> int:
    for at in range(0, len(changed), BATCH):
        batch = changed[at : at + BATCH]
        with _alone():
            documents_write(root, batch, names)
            KnowledgeCollection.objects.filter(pk__in={pk for pk, _ in batch}).update(
                indexed_at=datetime.now(UTC)
            )
    return len(changed)
