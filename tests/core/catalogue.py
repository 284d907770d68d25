"""The event catalogue as it was published.

`python -m tests.core.catalogue` adds new kinds and members to the snapshot. It never changes what
is there: a kind that was published keeps its meaning for ever.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from taskmapr.core.events import CATALOGUE, is_required

FILE = Path(__file__).with_name("catalogue.json")

Catalogue = dict[str, dict[str, Any]]


def published() -> Catalogue:
    return json.loads(FILE.read_text())


def current() -> Catalogue:
    return {
        kind.name: {
            field.name: {
                "type": str(field.type),
                "required": is_required(field),
                "content": field.name in kind.content_fields,
            }
            for field in dataclasses.fields(kind.payload)
        }
        for kind in CATALOGUE.values()
    }


def main() -> None:
    before, now = published() if FILE.exists() else {}, current()
    merged = {kind: {**now.get(kind, {}), **before.get(kind, {})} for kind in {**before, **now}}
    FILE.write_text(json.dumps(merged, indent=1) + "\n")


if __name__ == "__main__":
    main()
