"""/admin/memory/knowledgecollection/ and its documents."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from memory.adapters.embeddings import HttpEmbedder
from memory.models import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument
from memory.services.knowledge_index import knowledge_refresh
from taskmapr.core import wired
from taskmapr.core.jobs import KNOWLEDGE_REFRESH
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.memory.knowledge.conftest import Folder

pytestmark = pytest.mark.django_db

LIST = "/admin/memory/knowledgecollection/"
DOCUMENTS = "/admin/memory/knowledgedocument/"


@pytest.fixture
def queue() -> Iterator[RecordingQueue]:
    real, queue = wired.ports(), RecordingQueue()
    wired.wire(replace(real, queue=queue))
    yield queue
    wired.wire(real)


@pytest.fixture
def watcher(client: Client) -> Client:
    """Signed in as staff who may look at knowledge, and change nothing."""
    user = User.objects.create_user("watcher@example.org", "a long password", is_staff=True)
    names = ("view_knowledgecollection", "view_knowledgedocument")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


def page(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def address_of(name: str) -> str:
    return f"{LIST}{KnowledgeCollection.objects.get(name=name).pk}/change/"


@pytest.mark.req("OV-72")
def test_lists_fifty_collections_with_at_most_twelve_queries(
    admin_client: Client, folder: Folder, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(50):
        folder.write(f"collection-{n:02}/a.md")
    knowledge_refresh()

    with django_assert_max_num_queries(12):
        body = page(admin_client, LIST)
    with django_assert_max_num_queries(12):
        page(admin_client, DOCUMENTS)
    with django_assert_max_num_queries(12):
        page(admin_client, address_of("collection-07"), q="green")

    assert "collection-49" in body


@pytest.mark.req("OV-72")
def test_the_list_says_how_far_each_collection_is(admin_client: Client, folder: Folder) -> None:
    folder.write("good/a.md")
    folder.write("partly/a.md")
    (folder.root / "partly" / "out.md").symlink_to("/etc/hostname")
    (folder.root / "linked").symlink_to("/etc")
    (folder.root / "hollow").mkdir()
    knowledge_refresh()

    body = page(admin_client, LIST)

    for words in (">indexed<", ">1 not read<", ">not read<", ">empty<", "by words alone"):
        assert words in body, words


def test_an_empty_list_names_the_folder(admin_client: Client, folder: Folder) -> None:
    assert f"folder of Markdown files into {folder.root}" in page(admin_client, LIST)


@pytest.mark.req("OV-72")
def test_the_page_lists_documents_with_problems_first(admin_client: Client, folder: Folder) -> None:
    folder.write("tea/a.md", "# Green tea")
    folder.write("tea/b.md", b"# Gr\xfcn")
    (folder.root / "tea" / "z.md").symlink_to("/etc/hostname")
    knowledge_refresh()

    body = page(admin_client, address_of("tea"))

    assert body.index("z.md") < body.index("a.md") < body.index("b.md")
    assert "a link that leads out of the knowledge folder" in body
    assert "not valid UTF-8" in body
    assert "2, 1 not read" in body


@pytest.mark.req("OV-72")
def test_a_trial_search_shows_what_the_model_is_told(admin_client: Client, folder: Folder) -> None:
    folder.write("tea/a.md", "# Green tea\n\nThe samovar boils.")
    folder.write("coffee/b.md", "# Coffee\n\nNo samovar here.")
    knowledge_refresh()

    body = page(admin_client, address_of("tea"), q="samovar")
    assert "1 found, by words." in body
    assert "The samovar boils." in body
    assert '"document": "a.md"' in body
    assert "b.md" not in body

    assert "Nothing found" in page(admin_client, address_of("tea"), q="zebra")
    assert '"error": "The query is empty."' in page(admin_client, address_of("tea"), q=" ")
    assert "What the model is told" not in page(admin_client, address_of("tea"))


def test_a_question_with_nul_is_a_question(admin_client: Client, folder: Folder) -> None:
    folder.write("tea/a.md", "# Tea\n\nGreen.")
    knowledge_refresh()
    tea = KnowledgeCollection.objects.get()

    answer = admin_client.get(f"{LIST}{tea.pk}/change/", {"q": "green\0"})

    assert [hit.document for hit in answer.context["trial"].hits] == ["a.md"]


def test_a_file_that_was_just_written_is_found_by_a_trial(
    admin_client: Client, folder: Folder
) -> None:
    folder.write("tea/a.md", "# Samovar")
    knowledge_refresh()
    folder.write("tea/b.md", "# Another samovar")

    assert "2 found" in page(admin_client, address_of("tea"), q="samovar")


@pytest.mark.req("OV-72")
def test_indexing_again_is_asked_first_noted_and_done_by_the_job(
    admin_client: Client, folder: Folder, queue: RecordingQueue
) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    collection = KnowledgeCollection.objects.get()
    asked = {"action": "reindex_collections", "_selected_action": collection.pk}

    assert "Every file is read again" in admin_client.post(LIST, asked).content.decode()
    assert queue.jobs == []

    admin_client.post(LIST, {**asked, "confirmed": "yes"})
    assert [job for job, _, _ in queue.jobs] == [KNOWLEDGE_REFRESH]
    assert KnowledgeDocument.objects.get().sha256 == ""
    assert LogEntry.objects.count() == 1

    admin_client.post(f"{LIST}{collection.pk}/reindex/")
    assert len(queue.jobs) == 2
    assert LogEntry.objects.count() == 2
    assert knowledge_refresh().read == 1


def test_a_queue_that_is_away_is_said(
    admin_client: Client, folder: Folder, queue: RecordingQueue
) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    queue.is_down = True

    pk = KnowledgeCollection.objects.get().pk
    answer = admin_client.post(f"{LIST}{pk}/reindex/", follow=True)

    assert "The queue (Redis) is down" in html.unescape(answer.content.decode())


@pytest.mark.req("OV-72")
def test_a_document_shows_its_text(admin_client: Client, folder: Folder) -> None:
    folder.write("tea/a.md", "# Green tea\n\n<script>alert(1)</script>")
    knowledge_refresh()

    answer = admin_client.get(f"{DOCUMENTS}{KnowledgeDocument.objects.get().pk}/change/")

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.content.decode()


def test_documents_are_found_by_path_and_title(admin_client: Client, folder: Folder) -> None:
    folder.write("tea/a.md", "# Green")
    folder.write("tea/b.md", "# Black")
    knowledge_refresh()

    for term in ("b.md", "lack"):
        body = page(admin_client, DOCUMENTS, q=term)
        assert "Black" in body, term
        assert "Green" not in body, term


def test_who_may_only_look_changes_nothing(
    watcher: Client, folder: Folder, queue: RecordingQueue
) -> None:
    folder.write("tea/a.md")
    knowledge_refresh()
    pk = KnowledgeCollection.objects.get().pk

    assert "Index again" not in page(watcher, address_of("tea"))
    assert watcher.post(f"{LIST}{pk}/reindex/").status_code == 403
    asked: dict[str, Any] = {"action": "reindex_collections", "_selected_action": pk}
    assert watcher.post(LIST, {**asked, "confirmed": "yes"}).status_code == 403
    assert queue.jobs == []


@pytest.mark.parametrize("address", [LIST, DOCUMENTS, f"{LIST}1/change/", f"{LIST}1/reindex/"])
def test_strangers_are_asked_to_sign_in(client: Client, address: str) -> None:
    assert client.get(address).status_code == 302


def test_what_is_not_there_is_404(admin_client: Client) -> None:
    for key in ("1", "x"):
        assert admin_client.get(f"{LIST}{key}/change/").status_code == 404


@pytest.mark.req("OV-72")
def test_pieces_that_the_embedding_model_refused_say_so(
    admin_client: Client, folder: Folder
) -> None:
    folder.write("tea/a.md")
    folder.write("tea/b.md")
    knowledge_refresh()
    KnowledgeChunk.objects.update(embedding=[1.0] * 1536, embedding_model="m")
    KnowledgeChunk.objects.filter(document__path="b.md").update(
        embedding=None, embedding_refusal="Too odd (status 400)."
    )
    real = wired.ports()
    wired.wire(replace(real, embedder=HttpEmbedder(address="http://nowhere.invalid", model="m")))
    try:
        listed, one = page(admin_client, LIST), page(admin_client, address_of("tea"))
        documents = page(admin_client, DOCUMENTS)
    finally:
        wired.wire(real)

    assert "1 of 2" in listed
    assert "1 refused by the embedding model" in listed
    assert "1 refused by the embedding model" in one
    for body in (one, documents):
        assert body.count("Found by words alone in part: Too odd (status 400).") == 1
