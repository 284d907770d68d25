"""The database follows the knowledge folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from memory.knowledge.watch import FolderWatch, watch
from memory.models import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument
from memory.services import knowledge_documents, knowledge_index
from memory.services.knowledge_index import (
    _LOCK,
    Refreshed,
    knowledge_freshen,
    knowledge_refresh,
)
from tests.memory.knowledge.conftest import Folder

pytestmark = pytest.mark.django_db


def documents() -> dict[str, str]:
    """Path with its collection → title."""
    rows = KnowledgeDocument.objects.select_related("collection")
    return {f"{row.collection.name}/{row.path}": row.title for row in rows}


@pytest.mark.req("OV-41")
def test_new_folders_and_files_are_taken_over(folder: Folder) -> None:
    folder.write("tea/a.md", "# Tea\n\nGreen.")
    folder.write("coffee/deep/b.markdown", "# Coffee")

    assert knowledge_refresh() == Refreshed(read=2)

    assert documents() == {"tea/a.md": "Tea", "coffee/deep/b.markdown": "Coffee"}
    chunk = KnowledgeChunk.objects.get(document__path="a.md")
    assert (chunk.title, chunk.heading, chunk.text) == ("Tea", "Tea", "Green.")
    assert chunk.collection == chunk.document.collection
    assert KnowledgeCollection.objects.get(name="tea").indexed_at is not None


@pytest.mark.req("OV-41")
def test_changed_files_are_read_anew_and_others_are_not(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("tea/a.md", "# Tea")
    folder.write("tea/b.md", "# Other")
    knowledge_refresh()
    read: list[str] = []
    real = knowledge_documents.file_read

    def counted(root: Path, collection: str, path: str) -> bytes:
        read.append(path)
        return real(root, collection, path)

    monkeypatch.setattr(knowledge_documents, "file_read", counted)
    folder.write("tea/a.md", "# Leaves")

    assert knowledge_refresh() == Refreshed(read=1)
    assert knowledge_refresh() == Refreshed()

    assert read == ["a.md"]
    assert documents() == {"tea/a.md": "Leaves", "tea/b.md": "Other"}


def test_a_touched_file_with_the_same_bytes_keeps_its_pieces(folder: Folder) -> None:
    file = folder.write("tea/a.md")
    knowledge_refresh()
    before = list(KnowledgeChunk.objects.values_list("pk", flat=True))
    os.utime(file, (1, 1))

    assert knowledge_refresh() == Refreshed(read=1)

    assert list(KnowledgeChunk.objects.values_list("pk", flat=True)) == before
    assert KnowledgeDocument.objects.get().mtime_ns == 10**9


def test_pieces_that_stay_the_same_keep_their_vectors(folder: Folder) -> None:
    sections = [f"## Part {n}\n\n{'Words. ' * 80}" for n in range(3)]
    folder.write("tea/a.md", "\n\n".join(["# Tea", *sections, sections[0]]))
    knowledge_refresh()
    KnowledgeChunk.objects.update(embedding=[1.0] * 1536, embedding_model="m")
    assert KnowledgeChunk.objects.count() == 4

    folder.write("tea/a.md", "\n\n".join(["# Tea", sections[2], "## New\n\nWords.", sections[0]]))
    knowledge_refresh()

    rows = KnowledgeChunk.objects.order_by("position").values_list("heading", "embedding_model")
    assert list(rows) == [("Tea > Part 2", "m"), ("Tea > New", ""), ("Tea > Part 0", "m")]


@pytest.mark.req("OV-41")
def test_what_was_removed_is_found_no_more(folder: Folder) -> None:
    gone = folder.write("tea/a.md")
    folder.write("tea/b.md")
    folder.write("coffee/c.md")
    knowledge_refresh()
    gone.unlink()
    (folder.root / "coffee" / "c.md").unlink()
    (folder.root / "coffee").rmdir()

    assert knowledge_refresh().read == 0

    assert list(documents()) == ["tea/b.md"]
    assert KnowledgeCollection.objects.get().name == "tea"
    assert KnowledgeChunk.objects.count() == 1


def test_a_folder_that_is_not_mounted_makes_nothing_forgotten(
    folder: Folder, settings: Any, tmp_path: Path
) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    settings.KNOWLEDGE_ROOT = tmp_path / "nowhere"

    assert knowledge_refresh() == Refreshed()
    assert list(documents()) == ["tea/a.md"]


@pytest.mark.req("OV-42")
def test_what_cannot_be_read_says_why_and_is_tried_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder.write("tea/a.md", "# Tea")
    (tmp_path / "secret.md").write_text("# Secret")
    (folder.root / "tea" / "out.md").symlink_to(tmp_path / "secret.md")
    (folder.root / "linked").symlink_to(tmp_path)
    with monkeypatch.context() as patch:
        # Permissions do not hold root back, so the refusal is made.
        patch.setattr(os, "open", _denied)
        knowledge_refresh()

    stored = dict(KnowledgeDocument.objects.values_list("path", "problem"))
    assert stored == {
        "a.md": "cannot be read: Permission denied",
        "out.md": "a link that leads out of the knowledge folder",
    }
    assert not KnowledgeDocument.objects.filter(is_indexed=True).exists()
    linked = KnowledgeCollection.objects.get(name="linked")
    assert linked.problem == "a link to a folder; links are followed to files only"

    assert knowledge_refresh() == Refreshed(read=1)
    assert KnowledgeDocument.objects.get(is_indexed=True).title == "Tea"
    assert knowledge_refresh() == Refreshed()


def _denied(*args: Any, **kwargs: Any) -> int:
    raise PermissionError(13, "Permission denied")


def test_a_document_that_became_too_large_is_found_no_more(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("tea/a.md", "# Tea")
    knowledge_refresh()
    monkeypatch.setattr("memory.knowledge.files.MAX_FILE_BYTES", 3)
    folder.write("tea/a.md", "# Tea!")

    knowledge_refresh()

    row = KnowledgeDocument.objects.get()
    assert (row.is_indexed, row.text, row.problem) == (
        False,
        "",
        "too large: 6 bytes, at most 3",
    )
    assert not KnowledgeChunk.objects.exists()


def test_many_changes_are_left_to_the_job(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.services.knowledge_index.AT_ONCE", 2)
    for name in "abc":
        folder.write(f"tea/{name}.md")

    knowledge_freshen()
    assert documents() == {}
    assert watch.has_changed(folder.root)

    assert knowledge_refresh() == Refreshed(read=3)
    assert not watch.has_changed(folder.root)


def test_documents_are_written_in_batches(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.services.knowledge_index.BATCH", 2)
    for name in "abcde":
        folder.write(f"tea/{name}.md")

    assert knowledge_refresh() == Refreshed(read=5)
    assert len(documents()) == 5


@pytest.mark.django_db(transaction=True)
def test_only_one_process_writes_at_a_time(folder: Folder) -> None:
    folder.write("tea/a.md")
    params = connection.get_connection_params()
    params = {key: params[key] for key in ("dbname", "host", "port", "user") if key in params}
    with psycopg.connect(**params) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])

        assert knowledge_refresh() == Refreshed(left=1)
        assert documents() == {}

    assert knowledge_refresh() == Refreshed(read=1)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_index_each_document_once(folder: Folder) -> None:
    for n in range(30):
        folder.write(f"tea/{n}.md")

    def refresh() -> None:
        knowledge_refresh()
        connection.close()

    threads = [threading.Thread(target=refresh) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(documents()) == 30
    assert KnowledgeChunk.objects.count() == 30


def test_what_another_process_wrote_meanwhile_is_not_taken_for_removed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("tea/a.md")
    real = knowledge_index._alone
    waited: list[bool] = []

    @contextmanager
    def after_another() -> Iterator[None]:
        """The first who wants the lock waits until somebody else has taken over two files."""
        if not waited:
            waited.append(True)
            folder.write("tea/b.md")
            folder.write("coffee/c.md")
            knowledge_refresh()
        with real():
            yield

    monkeypatch.setattr(knowledge_index, "_alone", after_another)
    knowledge_refresh()

    assert documents().keys() == {"tea/a.md", "tea/b.md", "coffee/c.md"}


# Looking whether there is something to do ------------------------------------------------------


class Clock:
    """Time that passes when it is told to, and a little with each look at the folder."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


def test_a_look_is_followed_by_a_rest_of_twenty_times_its_length(folder: Folder) -> None:
    clock = Clock()
    looking = FolderWatch(now=clock)
    assert looking.has_changed(folder.root)
    looking.settle(folder.root, {})
    clock.now += 1
    assert not looking.has_changed(folder.root)
    folder.write("tea/a.md")

    assert not looking.has_changed(folder.root)
    clock.now += 0.25
    assert looking.has_changed(folder.root)


def test_another_folder_is_looked_at_at_once(folder: Folder, tmp_path: Path) -> None:
    looking = FolderWatch(now=Clock())
    looking.settle(tmp_path / "elsewhere", {})

    assert looking.has_changed(folder.root)
