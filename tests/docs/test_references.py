"""What the documents refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.docs.documents import ROOT, documents, name_of, prose

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_QUOTED = re.compile(r"`([^`\n]+)`")
#: `folder/file.py` or `folder/`; placeholders such as `<name>` are no paths.
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/(\w[\w.-]*\.(py|md|toml|yaml|txt|html|css|js|jsonl))?")
_SETTING = re.compile(r"\bTASKMAPR_[A-Z_]+\b")
each = pytest.mark.parametrize("document", documents(), ids=name_of)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each
def test_every_relative_link_resolves(document: Path) -> None:
    for link in _LINK.findall(prose(document.read_text())):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), link
        assert not anchor or anchor in _anchors(path), link


@each
def test_every_path_in_the_text_exists(document: Path) -> None:
    quoted = _QUOTED.findall(prose(document.read_text()))
    made_at_run_time = (".taskmapr/", ".venv/")
    paths = [q for q in quoted if _PATH.fullmatch(q) and not q.startswith(made_at_run_time)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@each
def test_every_setting_is_one_that_is_read(document: Path) -> None:
    known = (ROOT / ".env.example").read_text()
    named = set(_SETTING.findall(document.read_text()))
    unknown = {name for name in named if f"{name}=" not in known and not hasattr(settings, name)}
    assert unknown == set()
