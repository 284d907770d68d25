"""The product's own documentation as a collection."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Final

import orjson
from django.conf import settings

logger = logging.getLogger(__name__)

COLLECTION: Final = "taskmapr"
#: What was planted, {path: sha256}; beside the collection, so that it outlives its deletion.
_RECORD: Final = ".taskmapr-documentation.json"


def knowledge_plant() -> list[str]:
    """The documentation of this version is a collection of our own knowledge folder.

    Returns what was made or renewed, in words. Never touches a folder that the operator named, a
    collection `taskmapr` that was there before, or a document that somebody changed, and brings
    back nothing that somebody deleted. What this version has no more is removed.
    """
    source: Path = settings.BASE_DIR / "docs"
    if not settings.KNOWLEDGE_IS_OURS or not source.is_dir():
        return []
    root: Path = settings.KNOWLEDGE_ROOT
    record, target = root / _RECORD, root / COLLECTION
    if not record.exists() and target.exists():
        return []
    planted = _record_read(record)
    wanted = {str(file.relative_to(source)): file for file in sorted(source.rglob("*.md"))}
    written = [path for path, file in wanted.items() if _plant(target, path, file, planted)]
    gone = [path for path in list(planted) if path not in wanted]
    for path in gone:
        _remove(target / path, planted.pop(path))
    if not written and not gone:
        return []
    root.mkdir(parents=True, exist_ok=True)
    record.write_bytes(orjson.dumps(planted, option=orjson.OPT_INDENT_2))
    return [f"collection '{COLLECTION}' ({len(written)} documents new, {len(gone)} gone)"]


def _plant(target: Path, path: str, file: Path, planted: dict[str, str]) -> bool:
    """True when the document was written. `planted` then says what it is."""
    data = file.read_bytes()
    digest, before, place = _digest(data), planted.get(path), target / path
    if before == digest or (before is not None and not _is_untouched(place, before)):
        return False
    if before is None and place.exists():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    planted[path] = digest
    return True


def _remove(place: Path, digest: str) -> None:
    if _is_untouched(place, digest):
        place.unlink()


def _is_untouched(place: Path, digest: str) -> bool:
    return place.is_file() and _digest(place.read_bytes()) == digest


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _record_read(record: Path) -> dict[str, str]:
    """Empty when there is none; one that cannot be read counts as none."""
    try:
        read = orjson.loads(record.read_bytes())
    except FileNotFoundError:
        return {}
    except orjson.JSONDecodeError:
        logger.warning("%s cannot be read; nothing planted before is renewed", _RECORD)
        return {}
    return {str(path): str(digest) for path, digest in read.items()}
