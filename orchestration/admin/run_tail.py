"""New entries of a run's timeline while they happen, as server-sent events for its page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import orjson
from django.http import Http404, HttpRequest, HttpResponseForbidden, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from orchestration.admin.access import HIDDEN, may_read_words
from orchestration.admin.timeline import SEALED, Entry, Timeline
from orchestration.carriages.sse import CONTENT_TYPE
from orchestration.live import live
from orchestration.models import Run
from taskmapr.core.run_state import FINAL_STATUSES
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.badges import status_badge

#: Seconds of silence after which a comment keeps the connection alive.
IDLE_S: Final = 10.0
#: How often and how long the end of the run is looked for in its row.
ROW_TRIES: Final = 50
ROW_WAIT_S: Final = 0.1

#: What the events of these kinds say about the run's status.
_STATUS_AFTER: Final = {
    "run.created": "queued",
    "run.started": "running",
    "run.retrying": "retrying",
    "run.paused": "paused",
    "run.resumed": "queued",
}


async def run_tail(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """Frames: {entries: [{seq, html}], status?, is_final}. An entry may come again, changed; only
    the last frame is final.

    Reads the log from its beginning, as the page does, so both fold it alike; `?after=` names the
    last event that the page has. An operator who watches counts as a reader of the run.
    """
    if not await in_database(_may_watch, request):
        return HttpResponseForbidden("Only staff who may view runs can follow them.")
    run = await in_database(_found, run_id)
    if run is None:
        raise Http404
    after = request.GET.get("after", "")
    veil = SEALED if run.is_sealed else ""
    if not veil and not await in_database(may_read_words, request):
        veil = HIDDEN
    frames = _frames(run, int(after) if after.isdecimal() and len(after) < 19 else 0, veil)
    return StreamingHttpResponse(
        frames,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _frames(run: Run, after: int, veil: str) -> AsyncIterator[bytes]:
    timeline = Timeline(veil=veil, began_at=run.created_at)
    batches = live().follow(run.pk, idle_s=IDLE_S)
    try:
        yield b"retry: 2000\n\n"
        async for batch in batches:
            entries = [e for e in timeline.feed_all(batch) if e.last_seq > after]
            news = [event for event in batch if event.seq > after]
            yield _frame(entries, news) if news else b": still here\n\n"
        await _row_closed(run.pk)
        yield b'data: {"entries": [], "is_final": true}\n\n'
    finally:
        await batches.aclose()


async def _row_closed(run_id: UUID) -> None:
    """The last event is announced a moment before the run's row says so; the page wants the row."""
    for _ in range(ROW_TRIES):
        if await in_database(_is_final, run_id):
            return
        await asyncio.sleep(ROW_WAIT_S)


def _frame(entries: list[Entry], news: list[Any]) -> bytes:
    frame: dict[str, Any] = {
        "entries": [{"seq": entry.seq, "html": _row(entry)} for entry in entries],
        "is_final": False,
    }
    statuses = [status for event in news if (status := _status_after(event.kind, event.data))]
    if statuses:
        frame["status"] = status_badge(statuses[-1])
    return b"id: %d\ndata: %b\n\n" % (news[-1].seq, orjson.dumps(frame))


def _row(entry: Entry) -> str:
    return render_to_string("parts/_timeline_entry.html", {"entry": entry})


def _status_after(kind: str, data: Any) -> str | None:
    return data.get("status") if kind == "run.finished" else _STATUS_AFTER.get(kind)


def _may_watch(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_active and user.is_staff and user.has_perm("orchestration.view_run"))


def _is_final(run_id: UUID) -> bool:
    return Run.objects.filter(pk=run_id, status__in=FINAL_STATUSES).exists()


def _found(run_id: UUID) -> Run | None:
    return Run.objects.only("is_sealed", "created_at").filter(pk=run_id).first()
