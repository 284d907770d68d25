"""A knowledge folder of a test's own, and short ways to write and search it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.knowledge.meaning import meanings
from memory.knowledge.watch import watch


class Folder:
    """The knowledge folder. Paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str | bytes = "# Tea\n\nGreen and black.") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Folder]:
    settings.KNOWLEDGE_ROOT = tmp_path / "knowledge"
    settings.KNOWLEDGE_ROOT.mkdir()
    watch.forget()
    meanings.forget()
    yield Folder(settings.KNOWLEDGE_ROOT)
    watch.forget()
    meanings.forget()
