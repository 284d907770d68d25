"""Files that runs produce: kept, and removed when their time is over."""

from __future__ import annotations

import hashlib
import io
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Literal, cast
from uuid import UUID

import orjson
from django.conf import settings
from django.core.files import File
from django.db import IntegrityError, transaction

from orchestration.dialects.task_log import LOG_FILE
from orchestration.models import Artifact
from orchestration.models.artifact import storage_asked
from orchestration.services.picture_size import HEAD_BYTES, picture_size
from taskmapr.core.errors import InvalidInput, Unavailable
from taskmapr.core.events import ArtifactStored

Role = Literal["download", "screenshot", "private"]

NAME_LENGTH: Final = 200
#: A result of more bytes of JSON is kept as a file; what stands in its place.
RESULT_BYTES: Final = 1024 * 1024
RESULT_FILE: Final = "result.json"
TRUNCATED: Final = {"truncated": True}
#: Files that are removed before the next ones are looked for.
_BATCH: Final = 500


def artifact_store(
    *,
    run_id: UUID,
    name: str,
    data: bytes | Path,
    media_type: str,
    role: Role = "download",
    label: str | None = None,
) -> ArtifactStored:
    """Keep a file of a run. Returns the event that tells of it, for the holder of the run.

    `name`: a plain file name; a taken one gets a number (`a-2.png`), so look at the event's.
    `data`: the bytes, or where they are. Commits before it returns.
    Raises InvalidInput for a name with folders or control characters, or of more than 200
    characters; OSError when `data` cannot be read; Unavailable when the storage fails.
    """
    wanted = _checked(name)
    if wanted == LOG_FILE:
        # Taken in every task, without a row.
        wanted = "task-2.log"
    with _opened(data) as content:
        digest = hashlib.file_digest(cast(Any, content), "sha256").hexdigest()
        size_bytes = content.seek(0, io.SEEK_END)
        content.seek(0)
        width, height = picture_size(content.read(HEAD_BYTES)) or (None, None)
        content.seek(0)
        row = Artifact(
            run_id=run_id,
            name=wanted,
            role=role,
            label=label or "",
            media_type=media_type,
            size_bytes=size_bytes,
            sha256=digest,
            width=width,
            height=height,
            expires_at=datetime.now(UTC) + _kept_for(),
        )
        with storage_asked():
            row.file.save(wanted, File(content), save=False)
    try:
        _named(row, wanted)
    except BaseException:
        with suppress(Unavailable), storage_asked():
            row.file.delete(save=False)
        raise
    return ArtifactStored(
        artifact_id=str(row.pk),
        media_type=media_type,
        size_bytes=size_bytes,
        name=row.name,
        role=role,
        label=label,
        sha256=digest,
        width=width,
        height=height,
    )


def is_inline(value: Any) -> bool:
    """Whether a result stands in the log itself. False also for what is no JSON."""
    try:
        return len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)) <= RESULT_BYTES
    except TypeError:
        return False


def result_fitted(*, run_id: UUID, value: Any) -> tuple[Any, ArtifactStored | None]:
    """What the log keeps of a result: itself, or of one above RESULT_BYTES a mark and a file.

    Raises TypeError when it is no JSON; Unavailable when the storage fails.
    """
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    if len(body) <= RESULT_BYTES:
        return value, None
    stored = artifact_store(
        run_id=run_id, name=RESULT_FILE, data=body, media_type="application/json"
    )
    return dict(TRUNCATED), stored


def artifacts_expire() -> int:
    """Remove the bytes of files whose time is over; their rows stay. Returns how many."""
    count = 0
    over = Artifact.objects.filter(expires_at__lte=datetime.now(UTC), erased_at__isnull=True)
    while rows := list(over[:_BATCH]):
        for row in rows:
            row.file.delete(save=False)
        # Only now: a file that could not be removed is tried again.
        Artifact.objects.filter(pk__in=[row.pk for row in rows]).update(
            file="", erased_at=datetime.now(UTC)
        )
        count += len(rows)
    return count


def _kept_for() -> timedelta:
    return timedelta(days=settings.TASKMAPR["files_retention_days"])


def _checked(name: str) -> str:
    plain = name.strip()
    is_odd = any(character in "/\\" or not character.isprintable() for character in plain)
    if is_odd or plain in {"", ".", ".."} or len(plain) > NAME_LENGTH:
        raise InvalidInput.of(("name", "must be a plain file name of at most 200 characters"))
    return plain


def _opened(data: bytes | Path) -> AbstractContextManager[BinaryIO]:
    return io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")


def _named(row: Artifact, wanted: str) -> None:
    """Save the row under the first name that is free, also while others store beside it."""
    number = 1
    taken = set(Artifact.objects.filter(run_id=row.run_id).values_list("name", flat=True))
    while True:
        row.name = wanted if number == 1 else _numbered(wanted, number)
        if row.name not in taken:
            try:
                with transaction.atomic():
                    return row.save(force_insert=True)
            except IntegrityError:
                if not Artifact.objects.filter(run_id=row.run_id, name=row.name).exists():
                    raise
        number += 1


def _numbered(name: str, number: int) -> str:
    path = PurePosixPath(name)
    ending = f"-{number}{path.suffix}"
    return path.stem[: NAME_LENGTH - len(ending)] + ending
