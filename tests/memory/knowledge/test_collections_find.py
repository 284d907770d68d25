"""The knowledge folder on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from memory.knowledge.files import (
    FOLDER_LINK,
    LEADS_OUT,
    MAX_FILE_BYTES,
    NO_FILE,
    FileRefused,
    Found,
    collections_find,
    file_read,
)
from tests.memory.knowledge.conftest import Folder


def found(folder: Folder) -> Found:
    seen = collections_find(folder.root)
    assert seen is not None
    return seen


def problems(folder: Folder, collection: str) -> dict[str, str]:
    return {path: file.problem for path, file in found(folder)[collection].files.items()}


@pytest.mark.req("OV-41")
def test_direct_subfolders_are_collections_of_markdown_at_any_depth(folder: Folder) -> None:
    for path in ("tea/a.md", "tea/deep/er/b.markdown", "tea/C.MD", "tea/d.txt", "tea/e.rst"):
        folder.write(path)
    folder.write("loose.md")
    (folder.root / "empty").mkdir()

    assert {name: sorted(c.files) for name, c in found(folder).items()} == {
        "tea": ["C.MD", "a.md", "deep/er/b.markdown"],
        "empty": [],
    }


@pytest.mark.req("OV-41")
def test_what_is_hidden_is_left_alone(folder: Folder) -> None:
    for path in (".git/a.md", "tea/.b.md", "tea/.obsidian/c.md", "tea/d.md"):
        folder.write(path)

    assert {name: sorted(c.files) for name, c in found(folder).items()} == {"tea": ["d.md"]}


@pytest.mark.req("OV-42")
def test_links_are_followed_to_files_inside_only(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("# Secret")
    folder.write("tea/a.md")
    (folder.root / "tea" / "same.md").symlink_to("a.md")
    (folder.root / "tea" / "out.md").symlink_to("../../secret.md")
    (folder.root / "tea" / "broken.md").symlink_to("nowhere.md")
    (folder.root / "tea" / "loop").symlink_to(folder.root / "tea")
    (folder.root / "linked").symlink_to(tmp_path)

    assert problems(folder, "tea") == {
        "a.md": "",
        "same.md": "",
        "out.md": LEADS_OUT,
        "broken.md": "cannot be read: No such file or directory",
    }
    assert found(folder)["linked"].problem == FOLDER_LINK
    assert found(folder)["linked"].files == {}


@pytest.mark.req("OV-41")
def test_what_cannot_be_a_document_says_why(folder: Folder) -> None:
    folder.write("tea/huge.md", b"x" * (MAX_FILE_BYTES + 1))
    os.mkfifo(folder.root / "tea" / "pipe.md")

    assert problems(folder, "tea") == {
        "huge.md": "too large: 2,097,153 bytes, at most 2,097,152",
        "pipe.md": NO_FILE,
    }


def test_names_that_the_database_cannot_hold_are_left_out(folder: Folder) -> None:
    folder.write("tea/a.md")
    folder.write(f"{'n' * 121}/a.md")
    (folder.root / "tea" / os.fsdecode(b"\xff.md")).write_text("x")

    assert {name: sorted(c.files) for name, c in found(folder).items()} == {"tea": ["a.md"]}


def test_a_folder_that_is_not_there_is_no_empty_one(folder: Folder) -> None:
    assert collections_find(folder.root) == {}
    assert collections_find(folder.root / "nowhere") is None


# Reading one ----------------------------------------------------------------------------------


def test_the_bytes_of_a_document(folder: Folder) -> None:
    folder.write("tea/deep/a.md", b"\xff\0")

    assert file_read(folder.root, "tea", "deep/a.md") == b"\xff\0"


@pytest.mark.req("OV-42")
@pytest.mark.parametrize("path", ["../../secret.md", "out.md", "dir/secret.md", "/etc/passwd"])
def test_nothing_outside_of_the_folder_is_opened(folder: Folder, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.md").write_text("# Secret")
    folder.write("tea/a.md")
    (folder.root / "tea" / "out.md").symlink_to("../../secret.md")
    (folder.root / "tea" / "dir").symlink_to(tmp_path)

    with pytest.raises(FileRefused, match="leads out"):
        file_read(folder.root, "tea", path)


def test_what_changed_since_it_was_found_is_looked_at_again(folder: Folder) -> None:
    folder.write("tea/huge.md", b"x" * (MAX_FILE_BYTES + 1))
    os.mkfifo(folder.root / "tea" / "pipe.md")

    for path, problem in (("huge.md", "too large"), ("pipe.md", NO_FILE), ("gone.md", "No such")):
        with pytest.raises(FileRefused, match=problem) as refused:
            file_read(folder.root, "tea", path)
        assert str(folder.root) not in str(refused.value)
