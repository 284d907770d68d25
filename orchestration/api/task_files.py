"""Files of tasks, for whoever has a signed address or may read the task."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import datetime
from io import BytesIO
from typing import IO, Any, Final
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework.request import Request

from orchestration.api import described_tasks as described
from orchestration.api.asking import user_of
from orchestration.api.settling import rows_settle
from orchestration.api.task_queue import TaskView
from orchestration.dialects.task_log import LOG_FILE
from orchestration.models import Artifact
from orchestration.selectors.artifacts import (
    file_begin,
    file_of_task,
    file_opened,
    files_require,
    is_signed,
    log_of_task,
)
from orchestration.selectors.runs import runs_running
from orchestration.selectors.tasks import reader_of
from taskmapr.core.errors import FileNotFound, NotAuthenticated
from taskmapr.users.authentication import KeyPrincipal
from taskmapr.users.principals import Admitted
from taskmapr.users.scopes import Scope

#: What browsers may show in place; everything else is saved. Never HTML or SVG: they run scripts.
SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
_CHUNK_BYTES: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class FileReader(KeyPrincipal):
    """Credentials are one way to a file. Bad ones are as good as none: there is nothing here."""

    def authenticate(self, request: Request) -> Admitted | None:  # type: ignore[override]
        try:
            return super().authenticate(request)
        except NotAuthenticated:
            return None


class _TaskFile(TaskView):
    authentication_classes = (FileReader,)
    #: The file itself says who may have it: a stranger is told that there is none.
    permission_classes = ()
    throttle_classes = ()
    http_method_names = ["get", "head", "options"]
    #: In the address.
    folder: str

    async def _file(self, request: Request, task_id: str, name: str) -> HttpResponseBase:
        if self._is_log(name):
            # Its last lines are in the log before they are in Postgres.
            await rows_settle(await self.ask(runs_running, id=_id(task_id)))
        file, data = await self.ask(self._found, request, task_id, name)
        # Not in a thread of the database: a storage that is away would keep all of them busy.
        content = BytesIO(data) if data else await asyncio.to_thread(file_opened, file)
        return await _response(request, file, content)

    def _found(self, request: Request, task_id: str, name: str) -> tuple[Artifact, bytes]:
        """The file, and its bytes if they are in no storage.

        Raises FileNotFound: also for a file that is somebody else's, or gone.
        """
        query = request.query_params
        if not is_signed(
            task_id=task_id,
            folder=self.folder,
            name=name,
            expires=query.get("exp"),
            signature=query.get("sig"),
        ):
            _require_reader(request, task_id)
        if self._is_log(name):
            return log_of_task(_id(task_id))
        return file_of_task(task_id=_id(task_id), folder=self.folder, name=name), b""

    def _is_log(self, name: str) -> bool:
        """The one file that is made of what the run's events say."""
        return (self.folder, name) == ("results", LOG_FILE)


class TaskScreenshotApi(_TaskFile):
    """A picture that a task took."""

    folder = "screenshots"

    @described.SCREENSHOT
    async def get(self, request: Request, task_id: str, name: str) -> HttpResponseBase:
        return await self._file(request, task_id, name)


class TaskDownloadApi(_TaskFile):
    """A file that a task made."""

    folder = "results"

    @described.DOWNLOAD
    async def get(self, request: Request, task_id: str, name: str) -> HttpResponseBase:
        return await self._file(request, task_id, name)


def _id(task_id: str) -> UUID:
    try:
        return UUID(task_id)
    except ValueError:
        raise FileNotFound from None


def _require_reader(request: Request, task_id: str) -> None:
    credential: Any = request.auth
    # An intent that executes a type of task makes files too.
    may_read = (Scope.TASKS_READ, Scope.INTENTS_RUN)
    if credential is None or not any(credential.permits(scope) for scope in may_read):
        raise FileNotFound
    whose = reader_of(user_of(request), credential).readable
    files_require(task_id=_id(task_id), whose=whose)


async def _response(request: Request, file: Artifact, content: IO[bytes]) -> HttpResponseBase:
    """Raises Unavailable when the storage fails, as long as nothing is sent."""
    size = file.size_bytes
    # Of the two methods, only GET has ranges (RFC 9110, section 14.2).
    header = request.headers.get("Range", "") if request.method == "GET" else ""
    wanted = _range(header, size)
    if wanted is None:
        content.close()
        told = {"Content-Range": f"bytes */{size}", "Content-Type": "application/octet-stream"}
        return HttpResponse(status=416, headers=told)
    first, last = wanted
    headers = _headers(file, last - first + 1)
    is_part = (first, last) != (0, size - 1) and size > 0
    if is_part:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    if request.method == "HEAD":
        content.close()
        return HttpResponse(headers=headers)
    await asyncio.to_thread(file_begin, content, first)
    return StreamingHttpResponse(
        _chunks(content, last - first + 1), status=206 if is_part else 200, headers=headers
    )


def _headers(file: Artifact, length: int) -> dict[str, str]:
    is_shown = file.media_type in SHOWN
    kind = file.media_type if is_shown else "application/octet-stream"
    made: datetime = file.created_at
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Content-Length": str(length),
        "Content-Disposition": content_disposition_header(not is_shown, file.name) or "inline",
        "X-Content-Type-Options": "nosniff",
        # A picture or a text has nothing to load; readers of PDF do not work in a sandbox.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"
        + ("" if kind == "application/pdf" else "; sandbox"),
        # What is behind a name never changes, but for the log, which grows while the task goes on.
        "Cache-Control": "private, no-cache"
        if file.name == LOG_FILE
        else "private, max-age=3600, immutable",
        "ETag": f'"{file.sha256 or file.pk}"',
        "Last-Modified": made.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Accept-Ranges": "bytes",
    }


def _range(header: str, size: int) -> tuple[int, int] | None:
    """(first, last) byte of what is to be sent: all of it unless one valid range is asked for (RFC
    9110, section 14.1.1: one that ends before it begins is none).

    None: the range lies outside the file.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return 0, size - 1
    if match[1] == "":
        first, last = max(0, size - int(match[2])), size - 1
    elif match[2] and int(match[2]) < int(match[1]):
        return 0, size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    return (first, last) if first <= last else None


async def _chunks(content: IO[bytes], length: int) -> AsyncGenerator[bytes, None]:
    try:
        while length > 0:
            chunk = await asyncio.to_thread(content.read, min(length, _CHUNK_BYTES))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk
    finally:
        content.close()
