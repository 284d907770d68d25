"""What is told about embedding: the console, the document and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from taskmapr.demo.embedding import embedding

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/how-to/embed-the-overlay.md").read_text()
TYPES = (ROOT / "taskmapr/static/taskmapr/overlay/types.js").read_text()
OPTIONS = (ROOT / "taskmapr/static/taskmapr/overlay/options.js").read_text()


def test_the_document_lists_the_options_of_the_console() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (?:`([\w-]+)` )?\| (.+) \|$", DOCUMENT, re.M)
    documented = [(name, attribute, says.replace("\\|", "|")) for name, attribute, says in rows]

    options = embedding("https://taskmapr.example")["options"]
    assert documented == [(o["name"], o["attribute"], o["says"]) for o in options]


def test_every_option_is_one_of_the_code_and_none_is_missing() -> None:
    told = {option["name"].split(".")[0] for option in embedding("")["options"]}

    shape = TYPES.split("@typedef {object} Options")[1].split("@typedef")[0]
    assert told == set(re.findall(r"@property \{.*\} \[(\w+)\]", shape))


def test_every_attribute_is_one_that_is_read() -> None:
    told = {o["attribute"] for o in embedding("")["options"] if o["attribute"]}

    read = set(re.findall(r"data\.(\w+)", OPTIONS.split("export function optionsOf")[1]))
    assert told == {"data-" + re.sub("([A-Z])", lambda m: f"-{m[1].lower()}", n) for n in read}


def test_the_tag_of_the_document_is_that_of_the_console() -> None:
    assert embedding("https://taskmapr.example")["tag"] in DOCUMENT
