"""The documents that people read, and how to find things in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CODE = re.compile(r"^```.*?^```", re.S | re.M)


def documents() -> list[Path]:
    """README, changelog and everything below docs/, without what is generated."""
    written = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in written if not path.read_text().startswith("<!-- Made by")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return _CODE.sub("", text)


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def table_rows(text: str, first_header: str) -> list[list[str]]:
    """The cells of the table whose first header is this, without the header."""
    rows: list[list[str]] = []
    inside = False
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if inside and not line.startswith("|"):
            break
        if inside and not line.startswith("|---"):
            rows.append([cell.strip("|").strip() for cell in cells])
        inside = inside or (line.startswith("|") and cells[0] == first_header)
    return rows
