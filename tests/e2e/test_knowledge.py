"""Knowledge from folder to answer, with every process real and an embedding model beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.sse import Stream
from tests.e2e.stack import Shape, Stack, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shape() -> Shape:
    """Vectors come from the scripted server, at the address that the environment names."""
    return Shape(
        env={"TASKMAPR_EMBEDDING_MODEL": "bag-of-words", "TASKMAPR_KNOWLEDGE_EVERY_S": "1"}
    )


def call(stack: Stack, name: str, **arguments: Any) -> Any:
    """The result of one tool call of a run, as its reader sees it."""
    tool = f"knowledge_{name}"
    stack.models.script(
        "scripted", {"tool_calls": [{"name": tool, "arguments": arguments}]}, {"text": "Done."}
    )
    stream: Stream = stack.ask("look it up", model="scripted")
    stream.rest()
    (ended,) = (frame for frame in stream.frames if frame.type == "tool_call_completed")
    assert ended.data["name"] == f"knowledge.{name}"
    assert stream.frames[-1].data["status"] == "succeeded"
    return ended.data["result"]


@pytest.mark.req("OV-41", "OV-42", "OV-S20")
def test_a_new_folder_is_found_at_once_and_nothing_outside_of_it(stack: Stack) -> None:
    root = stack.place / "knowledge"
    assert call(stack, "search_documentation", query="samovar")["results"] == []
    (root / "tea").mkdir(parents=True)
    (root / "tea" / "a.md").write_text("# Samovar\n\nIt boils.")

    found = call(stack, "search_documentation", query="samovar")

    assert found["results"] == [
        {
            "collection": "tea",
            "document": "a.md",
            "title": "Samovar",
            "score": found["results"][0]["score"],
            "snippet": "It boils.",
        }
    ]
    refused = call(stack, "read_knowledge_document", collection="tea", document="../../.env")
    assert refused == {"error": "Document '../../.env' not found in collection 'tea'."}


@pytest.mark.req("OV-42")
def test_beat_has_documents_indexed_and_embedded(stack: Stack) -> None:
    folder = stack.place / "knowledge" / "engines"
    folder.mkdir(parents=True)
    (folder / "b.md").write_text("# Motor\n\nOil is black.")

    def models() -> list[str]:
        rows = stack.rows(
            "SELECT embedding_model FROM knowledge_chunks k JOIN knowledge_documents d"
            " ON d.id = k.document_id WHERE d.path = 'b.md'"
        )
        return [row["embedding_model"] for row in rows]

    wait_until(lambda: models() == ["bag-of-words"], timeout_s=60)
