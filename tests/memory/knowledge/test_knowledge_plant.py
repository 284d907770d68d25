"""The product's documentation as a collection of a new installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from memory.selectors.knowledge import CollectionSize, collections_listed
from memory.selectors.knowledge_search import knowledge_search
from memory.services.knowledge_index import knowledge_refresh
from memory.services.knowledge_seeds import knowledge_plant


@pytest.fixture
def product(tmp_path: Path, settings: Any) -> Path:
    """The docs folder of an installed version."""
    settings.BASE_DIR = tmp_path / "product"
    settings.KNOWLEDGE_ROOT = tmp_path / "data" / "knowledge"
    settings.KNOWLEDGE_IS_OURS = True
    docs: Path = settings.BASE_DIR / "docs"
    (docs / "how-to").mkdir(parents=True)
    (docs / "a.md").write_text("# A")
    (docs / "how-to" / "b.md").write_text("# B")
    (docs / "drawing.svg").write_text("<svg/>")
    return docs


@pytest.fixture
def planted(settings: Any) -> Path:
    root: Path = settings.KNOWLEDGE_ROOT
    return root / "taskmapr"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.req("OV-41")
def test_a_new_installation_has_the_documentation(product: Path, planted: Path) -> None:
    assert knowledge_plant() == ["collection 'taskmapr' (2 documents new, 0 gone)"]

    assert contents(planted) == {"a.md": "# A", "how-to/b.md": "# B"}
    assert knowledge_plant() == []


def test_another_version_renews_what_nobody_changed(product: Path, planted: Path) -> None:
    knowledge_plant()
    (planted / "a.md").write_text("# Mine")
    (planted / "own.md").write_text("# Own")
    for name in ("a.md", "how-to/b.md"):
        (product / name).write_text("# New")
    (product / "c.md").write_text("# C")

    assert knowledge_plant() == ["collection 'taskmapr' (2 documents new, 0 gone)"]

    assert contents(planted) == {
        "a.md": "# Mine",
        "c.md": "# C",
        "how-to/b.md": "# New",
        "own.md": "# Own",
    }


def test_what_the_version_has_no_more_goes_unless_it_was_changed(
    product: Path, planted: Path
) -> None:
    knowledge_plant()
    (planted / "a.md").write_text("# Mine")
    (product / "a.md").unlink()
    (product / "how-to" / "b.md").unlink()

    assert knowledge_plant() == ["collection 'taskmapr' (0 documents new, 2 gone)"]

    assert contents(planted) == {"a.md": "# Mine"}


def test_what_was_deleted_stays_deleted(product: Path, planted: Path) -> None:
    knowledge_plant()
    for file in planted.rglob("*.md"):
        file.unlink()
    (product / "a.md").write_text("# New")

    assert knowledge_plant() == []
    assert contents(planted) == {}


def test_a_collection_of_that_name_that_was_there_is_not_touched(
    product: Path, planted: Path
) -> None:
    planted.mkdir(parents=True)
    (planted / "mine.md").write_text("# Mine")

    assert knowledge_plant() == []
    assert contents(planted) == {"mine.md": "# Mine"}


def test_a_folder_that_somebody_named_is_not_written_to(
    product: Path, planted: Path, settings: Any
) -> None:
    settings.KNOWLEDGE_IS_OURS = False

    assert knowledge_plant() == []
    assert not planted.exists()


def test_a_record_that_cannot_be_read_overwrites_nothing(product: Path, planted: Path) -> None:
    knowledge_plant()
    (planted.parent / ".taskmapr-documentation.json").write_text("{oops")
    (product / "a.md").write_text("# New")

    assert knowledge_plant() == []
    assert contents(planted)["a.md"] == "# A"


@pytest.mark.django_db
@pytest.mark.req("OV-41")
def test_the_real_documentation_is_seeded_and_found(settings: Any, tmp_path: Path) -> None:
    settings.KNOWLEDGE_ROOT = tmp_path / "knowledge"
    settings.KNOWLEDGE_IS_OURS = True

    call_command("seed", verbosity=0)
    knowledge_refresh()

    (size,) = collections_listed(["*"])
    assert size.name == "taskmapr"
    assert size.documents == len(list((settings.BASE_DIR / "docs").rglob("*.md")))
    hits = knowledge_search(
        query="how do I add a tool", collection=None, top_k=3, names=["*"], meaning=None
    )
    assert hits[0].document == "how-to/add-a-tool.md"
    assert CollectionSize(name="taskmapr", documents=size.documents) == size
