"""`python -m taskmapr.demo.bundle [--check]`: overlay.js, the overlay as one file.

The overlay is written as small modules (`static/taskmapr/overlay/`) and style sheets, which
browsers could load as they are. Other people's sites load one file instead: one request, one
address that no file storage has to rewrite, and no module of yesterday beside one of today. The
file is kept in the repository and a test holds it equal to its modules, so nothing has to be built
to run TaskMapr.

The modules follow each other in the order of their imports, in one scope: names at the top of
modules differ, which is checked. Comments and indents go; nothing else is shortened.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "static" / "taskmapr"
ENTRY: Final = FOLDER / "overlay" / "main.js"
BUNDLE: Final = FOLDER / "overlay.js"
HEAD: Final = "/* TaskMapr's overlay. Made of overlay/*.js by `make overlay`; change those. */\n"

_IMPORT: Final = re.compile(
    r'^import (?:\{[^}]*\}|(?P<name>\w+)) from "(?P<path>[^"]+)"[^;]*;\n', re.M
)
_TOP: Final = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", re.M)
_COMMENTS: Final = (
    re.compile(r"^[ \t]*/\*.*?\*/[ \t]*\n", re.M | re.S),
    re.compile(r"^[ \t]*//[^\n]*\n", re.M),
    re.compile(r"[ \t]+// [^\n\"'`]*$", re.M),
    re.compile(r"/\*\* @type .*?\*/ ?"),
)


class NotBundled(Exception):
    """The modules cannot stand in one scope."""


def bundled() -> str:
    """The text of overlay.js. Raises NotBundled for a circle of imports and for a doubled name."""
    done: dict[Path, str] = {}
    _add(ENTRY, done, under_way=())
    _names_differ(done)
    return HEAD + "".join(done.values())


def _add(path: Path, done: dict[Path, str], under_way: tuple[Path, ...]) -> None:
    if path in done:
        return
    if path in under_way:
        raise NotBundled(f"{path.name} imports itself")
    text = path.read_text()
    for found in _IMPORT.finditer(text):
        wanted = (path.parent / found["path"]).resolve()
        if wanted.suffix == ".css":
            done.setdefault(wanted, _sheet(found["name"], wanted.read_text()))
        else:
            _add(wanted, done, (*under_way, path))
    done[path] = _module(text, exports=path == ENTRY)


def _module(text: str, *, exports: bool) -> str:
    text = _IMPORT.sub("", text)
    for comment in _COMMENTS:
        text = comment.sub("", text)
    if not exports:
        text = re.sub(r"^export (?=async|function|class|const|let)", "", text, flags=re.M)
    text = text.replace("export {};\n", "")
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _sheet(name: str, css: str) -> str:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    css = re.sub(r"\s+", " ", css)
    css = re.sub(r" ?([{};]) ?", r"\1", css).replace(";}", "}").strip()
    return f"const {name} = new CSSStyleSheet();\n{name}.replaceSync({json.dumps(css)});\n"


def _names_differ(modules: dict[Path, str]) -> None:
    seen: dict[str, Path] = {}
    for path, text in modules.items():
        for name in _TOP.findall(path.read_text() if path.suffix == ".js" else text):
            if name in seen:
                raise NotBundled(f"{name} stands in {seen[name].name} and in {path.name}")
            seen[name] = path


def main(arguments: list[str]) -> int:
    text = bundled()
    if "--check" in arguments:
        is_current = BUNDLE.exists() and BUNDLE.read_text() == text
        sys.stdout.write("" if is_current else "overlay.js is old: run `make overlay`\n")
        return 0 if is_current else 1
    BUNDLE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
