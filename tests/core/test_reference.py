from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestration.reference import pages
from taskmapr.core.errors import TaskMaprError, error_classes
from taskmapr.core.events import CATALOGUE


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    return tmp_path


def test_every_kind_and_every_code_is_described():
    made = pages()

    assert all(f"## {name}\n" in made["events.md"] for name in CATALOGUE)
    core = [cls for cls in error_classes() if cls.__module__ == TaskMaprError.__module__]
    assert all(f"| `{cls.code}` | {cls.status} |" in made["errors.md"] for cls in core)


def test_the_pages_in_the_repository_are_up_to_date():
    call_command("docs", "--check")


def test_missing_and_changed_pages_are_noticed_and_written(root):
    with pytest.raises(CommandError, match=r"events\.md, errors\.md"):
        call_command("docs", "--check")
    call_command("docs", stdout=StringIO())
    call_command("docs", "--check")
    (root / "docs" / "errors.md").write_text("old")
    with pytest.raises(CommandError, match=r"make docs`: errors\.md"):
        call_command("docs", "--check")
    assert (root / "docs" / "errors.md").read_text() == "old"
