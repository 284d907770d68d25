"""The tools that read knowledge, as a run calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from psycopg.errors import UndefinedTable

from memory.services.knowledge_index import knowledge_refresh
from orchestration.tools import knowledge
from orchestration.tools.knowledge import register
from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed
from taskmapr.core.tools import ToolContext, ToolRegistry, registry
from taskmapr.foundation import database_state
from tests.memory.knowledge.conftest import Folder, folder

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
FILL = "Other words that fill the place. " * 20


async def call(name: str, *, names: Sequence[str] = ("*",), **args: Any) -> dict[str, Any]:
    """What the model reads. Arguments are checked as in a run."""
    spec = registry.get(f"knowledge.{name}")
    assert spec is not None
    spec.check(args)
    context = ToolContext(
        run_id="r",
        call_id="c",
        user_id="u",
        session_id=None,
        options={"knowledge": {"collections": list(names)}},
    )
    answer: dict[str, Any] = await spec.handler(context, args)
    return answer


@pytest.mark.req("OV-05", "OV-41")
def test_the_four_tools_only_read() -> None:
    specs = register(ToolRegistry())

    assert [spec.name for spec in specs] == [
        "knowledge.list_knowledge_collections",
        "knowledge.search_documentation",
        "knowledge.search_knowledge",
        "knowledge.read_knowledge_document",
    ]
    assert {(s.provider, s.danger, s.has_effect, s.needs_approval) for s in specs} == {
        ("knowledge", "read", False, False)
    }
    assert specs[1].model_name == "knowledge_search_documentation"


@pytest.mark.req("OV-41")
async def test_lists_collections_with_their_documents(folder: Folder) -> None:
    for path in ("tea/a.md", "tea/deep/b.md", "coffee/c.md"):
        folder.write(path)

    assert await call("list_knowledge_collections") == {
        "collections": [
            {"name": "coffee", "documents": 1},
            {"name": "tea", "documents": 2},
        ]
    }


@pytest.mark.req("OV-41", "OV-42")
@pytest.mark.parametrize("name", ["search_documentation", "search_knowledge"])
async def test_a_search_says_what_was_asked_and_what_was_found(folder: Folder, name: str) -> None:
    folder.write("tea/deep/green.md", f"# Green tea\n\n{FILL} The samovar boils. {FILL}")

    answer = await call(name, query="samovar", collection="tea", top_k=3)

    (hit,) = answer["results"]
    assert answer == {"query": "samovar", "collection": "tea", "results": [hit]}
    assert list(hit) == ["collection", "document", "title", "score", "snippet"]
    assert (hit["collection"], hit["document"]) == ("tea", "deep/green.md")
    assert (hit["title"], hit["score"]) == ("Green tea", 1.0)
    assert hit["snippet"].startswith("...")
    assert hit["snippet"].endswith("...")
    assert 150 <= len(hit["snippet"]) <= 206


@pytest.mark.req("OV-41")
async def test_without_more_words_all_collections_are_searched_for_five(folder: Folder) -> None:
    for n in range(8):
        folder.write(f"tea{n}/a.md", "# Samovar")

    answer = await call("search_documentation", query="samovar")
    spelled_out = await call("search_documentation", query="samovar", collection=None, top_k=None)

    assert answer["collection"] is None
    assert len(answer["results"]) == 5
    assert spelled_out == answer


@pytest.mark.req("OV-42")
async def test_top_k_stays_between_1_and_20(folder: Folder) -> None:
    for n in range(25):
        folder.write(f"tea/{n}.md", "# Samovar")

    counts = [
        len((await call("search_documentation", query="samovar", top_k=top_k))["results"])
        for top_k in (-1, 1, 20, 50)
    ]

    assert counts == [1, 1, 20, 20]


@pytest.mark.req("OV-41")
async def test_reads_a_document_as_it_is(folder: Folder) -> None:
    folder.write("tea/deep/a.md", "# Tea\n\n```sh\n  boil\n```\n")

    assert await call("read_knowledge_document", collection="tea", document="deep/a.md") == {
        "collection": "tea",
        "document": "deep/a.md",
        "content": "# Tea\n\n```sh\n  boil\n```\n",
    }


@pytest.mark.req("OV-42")
async def test_content_is_cut_at_64_kib_between_two_characters(folder: Folder) -> None:
    folder.write("tea/a.md", "x" + "é" * 40_000)

    answer = await call("read_knowledge_document", collection="tea", document="a.md")

    assert len(answer["content"].encode()) == 65_535
    assert answer["content"].endswith("é")


@pytest.mark.req("OV-41", "OV-S20")
@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("search_documentation", {"query": "  "}, "The query is empty."),
        (
            "search_documentation",
            {"query": "tea", "collection": "x"},
            "Collection 'x' not found.",
        ),
        (
            "read_knowledge_document",
            {"collection": "x", "document": "a.md"},
            "Collection 'x' not found.",
        ),
        (
            "read_knowledge_document",
            {"collection": "tea", "document": "b.md"},
            "Document 'b.md' not found in collection 'tea'.",
        ),
    ],
)
async def test_a_failure_is_told_as_an_error(
    folder: Folder, name: str, args: dict[str, Any], error: str
) -> None:
    folder.write("tea/a.md")

    assert await call(name, **args) == {"error": error}


@pytest.mark.req("OV-42", "OV-S20")
@pytest.mark.parametrize(
    "document",
    [
        "../../.env",
        "../secret.md",
        "deep/../../secret.md",
        "./a.md",
        "deep//b.md",
        "out.md",
        "linked/secret.md",
        "{root}/tea/a.md",
        "/etc/passwd",
        "a.md\0",
        "",
        ".hidden.md",
        "notes.txt",
    ],
)
async def test_nothing_but_a_listed_document_is_read(
    folder: Folder, document: str, tmp_path: Any
) -> None:
    for path in ("tea/a.md", "tea/deep/b.md", "tea/.hidden.md", "tea/notes.txt"):
        folder.write(path)
    (tmp_path / ".env").write_text("SECRET=1")
    (tmp_path / "secret.md").write_text("# Secret")
    (folder.root / "tea" / "out.md").symlink_to(tmp_path / "secret.md")
    (folder.root / "tea" / "linked").symlink_to(tmp_path)
    wanted = document.format(root=folder.root)

    answer = await call("read_knowledge_document", collection="tea", document=wanted)

    assert list(answer) == ["error"]
    assert answer["error"].endswith(" not found in collection 'tea'.")


@pytest.mark.req("OV-42")
@pytest.mark.parametrize("collection", ["..", ".", "../knowledge/tea", "/", "linked", ".git"])
async def test_no_name_of_a_collection_leads_elsewhere(
    folder: Folder, collection: str, tmp_path: Any
) -> None:
    folder.write("tea/a.md")
    folder.write(".git/a.md")
    (tmp_path / "a.md").write_text("# Secret")
    (folder.root / "linked").symlink_to(tmp_path)

    answer = await call("read_knowledge_document", collection=collection, document="a.md")

    assert answer == {"error": f"Collection '{collection}' not found."}


@pytest.mark.req("OV-42")
async def test_no_path_of_the_server_is_told(folder: Folder) -> None:
    folder.write("tea/a.md", "# Samovar")
    (folder.root / "tea" / "broken.md").symlink_to("nowhere.md")
    answers = [
        await call("list_knowledge_collections"),
        await call("search_documentation", query="samovar"),
        await call("read_knowledge_document", collection="tea", document="a.md"),
        await call("read_knowledge_document", collection="tea", document="broken.md"),
    ]

    assert str(folder.root) not in str(answers)
    assert answers[3] == {"error": "Document 'broken.md' not found in collection 'tea'."}


@pytest.mark.req("OV-40")
async def test_a_run_sees_the_collections_of_its_profile_only(folder: Folder) -> None:
    for name in ("tea", "secret"):
        folder.write(f"{name}/{name}.md", "# Samovar")
    only = {"names": ["tea", "gone"]}

    assert await call("list_knowledge_collections", **only) == {
        "collections": [{"name": "tea", "documents": 1}]
    }
    found = await call("search_documentation", query="samovar", **only)
    assert [hit["document"] for hit in found["results"]] == ["tea.md"]
    for refused in (
        await call("search_documentation", query="samovar", collection="secret", **only),
        await call("read_knowledge_document", collection="secret", document="secret.md", **only),
    ):
        assert refused == {"error": "Collection 'secret' not found."}
    assert await call("list_knowledge_collections", names=[]) == {"collections": []}


async def test_a_run_without_a_profile_sees_nothing(folder: Folder) -> None:
    folder.write("tea/a.md")
    spec = registry.get("knowledge.list_knowledge_collections")
    assert spec is not None
    context = ToolContext(run_id="r", call_id="c", user_id="u", session_id=None)

    assert await spec.handler(context, {}) == {"collections": []}


@pytest.mark.req("OV-41", "OV-S20")
async def test_what_appears_changes_or_goes_is_seen_by_the_next_call(folder: Folder) -> None:
    async def found(query: str) -> list[str]:
        answer = await call("search_documentation", query=query)
        return [f"{hit['collection']}/{hit['document']}" for hit in answer["results"]]

    assert await found("samovar") == []

    file = folder.write("new/a.md", "# Samovar")
    _rest_is_over()
    assert await found("samovar") == ["new/a.md"]

    file.write_text("# Kettle, and more")
    _rest_is_over()
    assert await found("samovar") == []
    assert await found("kettle") == ["new/a.md"]

    file.unlink()
    _rest_is_over()
    assert await found("kettle") == []


def _rest_is_over() -> None:
    knowledge.watch._rests_until = 0.0


# While something is away ------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the process was told of a lost database."""
    heard: list[BaseException] = []
    monkeypatch.setattr(database_state, "database_went_away", heard.append)
    return heard


AWAY = {"error": "Knowledge cannot be read now: the database is down."}


@pytest.mark.req("OV-63")
async def test_a_lost_database_is_an_error_of_the_tool(
    folder: Folder, told: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(names: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(knowledge, "collections_listed", lost)

    assert await call("list_knowledge_collections") == AWAY
    assert len(told) == 1


@pytest.mark.req("OV-63")
async def test_a_database_known_to_be_away_is_not_asked(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge, "database_is_away", lambda: True)
    monkeypatch.setattr(knowledge, "in_database", None)

    for name, args in (
        ("list_knowledge_collections", {}),
        ("search_documentation", {"query": "x"}),
        ("read_knowledge_document", {"collection": "x", "document": "y"}),
    ):
        assert await call(name, **args) == AWAY


async def test_a_mistake_of_ours_is_not_taken_for_an_outage(
    folder: Folder, told: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(names: Any) -> Any:
        raise OperationalError("no such table") from UndefinedTable()

    monkeypatch.setattr(knowledge, "collections_listed", wrong)

    with pytest.raises(OperationalError):
        await call("list_knowledge_collections")
    assert told == []


class Deaf:
    """An embedder that never succeeds."""

    model = "m"

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        raise ModelFailed("No luck.")


@pytest.fixture
def use() -> Iterator[Callable[[Any], None]]:
    real = wired.ports()
    yield lambda embedder: wired.wire(replace(real, embedder=embedder))
    wired.wire(real)


@pytest.mark.req("OV-42")
async def test_words_do_while_the_embedding_model_is_away(folder: Folder, use: Any) -> None:
    folder.write("tea/a.md", "# Samovar")
    use(Deaf())

    answer = await call("search_documentation", query="samovar")

    assert [hit["document"] for hit in answer["results"]] == ["a.md"]


def test_an_index_made_elsewhere_is_found(folder: Folder) -> None:
    """A process that never looked at the folder answers from the database."""
    folder.write("tea/a.md", "# Samovar")
    knowledge_refresh()

    assert not knowledge.watch.has_changed(folder.root)
