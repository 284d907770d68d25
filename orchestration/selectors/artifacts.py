"""Reading files of runs: their addresses, and who may have their bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime
from functools import partial
from typing import IO, Final
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from orchestration.dialects.task_log import LOG_FILE, MEDIA_TYPE, lines_of, log_bytes
from orchestration.dialects.task_result import UrlOf
from orchestration.log.store import events_all
from orchestration.models import Artifact, Run
from orchestration.models.artifact import ArtifactRole, storage_asked
from taskmapr.core import wired
from taskmapr.core.errors import FileNotFound
from taskmapr.core.run_kinds import INTENT, TASK
from taskmapr.foundation.crypto import signing_keys

#: The folder in a file's address, by what the file is. Files of other roles have no address.
ROLES: Final = {"screenshots": ArtifactRole.SCREENSHOT, "results": ArtifactRole.DOWNLOAD}
#: Kinds of runs whose files are told to their owners: an intent may execute a type of task.
WITH_FILES: Final = (TASK.name, INTENT.name)
#: Addresses made within so many seconds are the same, so that browsers keep what they fetched.
_STEP_S: Final = 60


def file_path(task_id: UUID | str, folder: str, name: str) -> str:
    """An address at which its owner gets the file, with credentials."""
    return f"/static/{folder}/{task_id}/{quote(name, safe='')}"


def file_url(task_id: UUID | str, folder: str, name: str) -> str:
    """An address at which everybody gets the file until its time is over."""
    now = int(time.time())
    expires = now - now % _STEP_S + settings.TASKMAPR["file_links_s"] + _STEP_S
    signature = _signature(signing_keys("file-link")[0], f"{folder}/{task_id}/{name}", expires)
    return f"{file_path(task_id, folder, name)}?exp={expires}&sig={signature}"


def urls_of(task_id: UUID | str) -> UrlOf:
    """Addresses of one task's files, as results tell them."""
    return partial(file_url, task_id)


def is_signed(
    *, task_id: str, folder: str, name: str, expires: str | None, signature: str | None
) -> bool:
    """Whether this server made that address and its time is not over."""
    if not expires or not signature or not (expires.isascii() and expires.isdigit()):
        return False
    if len(expires) > 12 or int(expires) < time.time():
        return False
    what = f"{folder}/{task_id}/{name}"
    return any(
        hmac.compare_digest(_signature(key, what, int(expires)).encode(), signature.encode())
        for key in signing_keys("file-link")
    )


def file_of_task(*, task_id: UUID, folder: str, name: str) -> Artifact:
    """Raises FileNotFound, also when its bytes are gone."""
    found = Artifact.objects.filter(
        run_id=task_id,
        run__kind__in=WITH_FILES,
        name=name,
        role=ROLES[folder],
        erased_at__isnull=True,
    ).first()
    if found is None:
        raise FileNotFound
    return found


def file_opened(file: Artifact) -> IO[bytes]:
    """Its bytes, to be closed. Asks no database. Raises FileNotFound when they are gone and
    Unavailable when the storage fails."""
    try:
        with storage_asked():
            content: IO[bytes] = file.file.open("rb")
    except FileNotFoundError:
        raise FileNotFound from None
    return content


def file_begin(content: IO[bytes], first: int = 0) -> None:
    """Ready to be read from this byte: some storages fetch the file only now. Raises Unavailable,
    and closes it, when the storage fails."""
    try:
        with storage_asked():
            content.seek(first)
    except BaseException:
        content.close()
        raise


def files_require(*, task_id: UUID, whose: Q) -> None:
    """Raises FileNotFound unless there is such a run with files, and it is one of these."""
    if not Run.objects.filter(whose, pk=task_id, kind__in=WITH_FILES).exists():
        raise FileNotFound


def log_of_task(task_id: UUID) -> tuple[Artifact, bytes]:
    """The file of all lines, made of the task's log. Raises FileNotFound: also without a line, or
    when the log's time is over."""
    runs = Run.objects.filter(pk=task_id, kind__in=WITH_FILES)
    run = runs.only("owner_id", "is_sealed").first()
    if run is None:
        raise FileNotFound
    sealer = wired.ports().sealers.for_user(run.owner_id) if run.is_sealed else None
    data = log_bytes(lines_of(events_all(task_id, sealer)))
    if not data:
        raise FileNotFound
    digest = hashlib.sha256(data).hexdigest()
    file = Artifact(
        run_id=task_id,
        name=LOG_FILE,
        media_type=MEDIA_TYPE,
        size_bytes=len(data),
        sha256=digest,
        created_at=datetime.now(UTC),
    )
    return file, data


def _signature(key: bytes, what: str, expires: int) -> str:
    digest = hmac.new(key, f"{what}\n{expires}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
