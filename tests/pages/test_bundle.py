"""overlay.js: one file that is made of its modules, and what it costs a page."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from taskmapr.demo import bundle

KIB = 1024


def test_the_file_that_pages_load_is_that_of_its_modules() -> None:
    assert bundle.BUNDLE.read_text() == bundle.bundled()


def test_it_costs_a_page_at_most_30_kib() -> None:
    assert len(gzip.compress(bundle.BUNDLE.read_bytes())) <= 30 * KIB


def test_it_imports_nothing_and_offers_one_thing() -> None:
    text = bundle.BUNDLE.read_text()

    assert re.findall(r"^import\b.*", text, re.M) == []
    assert re.findall(r"^export\b.*?(\w+)\(", text, re.M) == ["mountOverlay"]


def test_it_makes_no_html_from_text() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", _sources())


def test_a_name_at_the_top_of_two_modules_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.js").write_text("export const same = 1;\n")
    (tmp_path / "main.js").write_text('import { same } from "./one.js";\nconst same = 2;\n')
    monkeypatch.setattr(bundle, "ENTRY", tmp_path / "main.js")

    with pytest.raises(bundle.NotBundled, match=r"same stands in one\.js and in main\.js"):
        bundle.bundled()


def test_a_circle_of_imports_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.js").write_text('import { b } from "./main.js";\nexport const a = 1;\n')
    (tmp_path / "main.js").write_text('import { a } from "./one.js";\nexport const b = 2;\n')
    monkeypatch.setattr(bundle, "ENTRY", tmp_path / "main.js")

    with pytest.raises(bundle.NotBundled, match=r"main\.js imports itself"):
        bundle.bundled()


def _sources() -> str:
    return "".join(path.read_text() for path in bundle.ENTRY.parent.glob("*.js"))
