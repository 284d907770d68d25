"""The decision records are complete, numbered and listed."""

from __future__ import annotations

import re

from tests.docs.documents import ROOT

FOLDER = ROOT / "docs" / "adr"
PARTS = ["Context", "Decision", "Rejected", "What would reopen it"]


def test_each_has_its_four_parts() -> None:
    for path in FOLDER.glob("0*.md"):
        assert re.findall(r"^## (.+)$", path.read_text(), re.M) == PARTS, path.name


def test_numbers_have_no_gap_and_the_list_names_all() -> None:
    names = sorted(path.name for path in FOLDER.glob("0*.md"))

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert re.findall(r"\((0[^)]+)\)", (FOLDER / "README.md").read_text()) == names
