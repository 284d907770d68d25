"""Writing documents and their pieces. Called under the index's lock, in its transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from memory.knowledge.files import FileRefused, FoundFile, file_read
from memory.knowledge.markdown import Parsed, document_parse
from memory.models import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument

#: A time that no file has: the next look reads the file again.
READ_AGAIN = -1


def documents_write(
    root: Path, files: Sequence[tuple[int, FoundFile]], names: dict[int, str]
) -> None:
    """Store what these files hold now. files: (collection id, file); names: by collection id.

    A file that cannot be read becomes a document that cannot be searched and says why. A file that
    cannot be opened for the moment is tried again at the next look. Pieces that stay as they were
    keep their vectors.
    """
    rows = _rows(files)
    living = set(KnowledgeCollection.objects.filter(pk__in=names).values_list("pk", flat=True))
    fresh: list[tuple[KnowledgeDocument, Parsed]] = []
    for collection_id, file in files:
        if collection_id not in living:
            continue
        row = rows.get((collection_id, file.path)) or KnowledgeDocument(
            collection_id=collection_id, path=file.path
        )
        parsed = _take(root, names[collection_id], row, file)
        if parsed is not None and row.pk is None:
            fresh.append((row, parsed))
            continue
        row.save()
        if not row.is_indexed:
            row.chunks.all().delete()
        elif parsed is not None:
            _chunks_replace(row, parsed)
    KnowledgeDocument.objects.bulk_create([row for row, _ in fresh])
    KnowledgeChunk.objects.bulk_create(
        [chunk for row, parsed in fresh for chunk in _chunks(row, parsed)]
    )


def _rows(files: Sequence[tuple[int, FoundFile]]) -> dict[tuple[int, str], KnowledgeDocument]:
    found = KnowledgeDocument.objects.filter(
        collection_id__in={pk for pk, _ in files}, path__in=[file.path for _, file in files]
    )
    return {(row.collection_id, row.path): row for row in found}


def _take(root: Path, collection: str, row: KnowledgeDocument, file: FoundFile) -> Parsed | None:
    """Set the row's columns from the file. None: there is nothing new in it to be searched."""
    row.size_bytes, row.mtime_ns = file.size_bytes, file.mtime_ns
    row.indexed_at = datetime.now(UTC)
    try:
        if file.problem:
            raise FileRefused(file.problem)  # noqa: TRY301 - both refusals end in the same place
        data = file_read(root, collection, file.path)
    except FileRefused as refused:
        row.is_indexed, row.problem, row.text, row.sha256 = False, str(refused), "", ""
        row.mtime_ns = file.mtime_ns if file.problem else READ_AGAIN
        return None
    digest = hashlib.sha256(data).hexdigest()
    if row.is_indexed and row.sha256 == digest:
        return None
    parsed = document_parse(data, file.path)
    row.is_indexed, row.sha256 = True, digest
    row.title, row.text, row.problem = parsed.title, parsed.text, parsed.problem
    return parsed


def _chunks(row: KnowledgeDocument, parsed: Parsed) -> list[KnowledgeChunk]:
    return [
        KnowledgeChunk(
            document=row,
            collection_id=row.collection_id,
            position=position,
            title=row.title,
            heading=piece.heading,
            text=piece.text,
        )
        for position, piece in enumerate(parsed.pieces)
    ]


def _chunks_replace(row: KnowledgeDocument, parsed: Parsed) -> None:
    """The document has these pieces and no others."""
    stored = {_words(chunk): chunk for chunk in row.chunks.defer("embedding", "search")}
    new, moved, kept = [], [], []
    for chunk in _chunks(row, parsed):
        same = stored.pop(_words(chunk), None)
        if same is None:
            new.append(chunk)
            continue
        kept.append(same.pk)
        if same.position != chunk.position:
            same.position = chunk.position
            moved.append(same)
    row.chunks.exclude(pk__in=kept).delete()
    KnowledgeChunk.objects.bulk_update(moved, ["position"])
    KnowledgeChunk.objects.bulk_create(new)


def _words(chunk: KnowledgeChunk) -> tuple[str, str, str]:
    return chunk.title, chunk.heading, chunk.text
