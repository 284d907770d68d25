"""A run's frames as a client saw them, one after the other, at the pace of then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from orchestration.admin.access import may_read_words
from orchestration.dialects.base import Frame
from orchestration.dialects.table import DIALECTS, dialect_for
from orchestration.log.store import events_after
from orchestration.models import Run
from taskmapr.core.events import Event
from taskmapr.foundation.figures import duration_text

#: Events that are replayed at most, and characters of a frame that are shown.
EVENTS: Final = 5_000
FRAME_LENGTH: Final = 16_000
SUMMARY_LENGTH: Final = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedFrame:
    """`at_ms`: milliseconds after the run was created."""

    number: int
    at_ms: int
    at: str
    name: str
    id: str
    summary: str
    #: What it adds to the answer that the reader sees.
    says: str
    data: str

    @property
    def code_id(self) -> str:
        return f"frame-{self.number}-data"


def run_replay(request: HttpRequest, *, model_admin: ModelAdmin, run_id: UUID) -> HttpResponse:
    """`?dialect=` names the vocabulary. Sealed runs are not opened: there is nothing to replay."""
    if not (model_admin.has_view_permission(request) and may_read_words(request)):
        raise PermissionDenied
    run = Run.objects.only("kind", "status", "is_sealed", "created_at", "content_erased_at")
    found = run.filter(pk=run_id).first()
    dialect = request.GET.get("dialect", "overlay")
    if found is None or dialect not in DIALECTS:
        raise Http404
    events = [] if found.is_sealed else events_after(run_id, 0, limit=EVENTS + 1)
    frames = frames_replayed(run_id, dialect, events[:EVENTS], found.created_at)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Replay",
        "opts": model_admin.opts,
        "run": found,
        "frames": frames,
        "dialect": dialect,
        "dialects": sorted(DIALECTS),
        "is_cut": len(events) > EVENTS,
        "took": duration_text(frames[-1].at_ms if frames else None),
    }
    return TemplateResponse(request, "orchestration/run_replay.html", context)


def frames_replayed(
    run_id: UUID, dialect_name: str, events: Sequence[Event], began_at: datetime
) -> list[ReplayedFrame]:
    """The frames of these events, from the log's first on."""
    dialect = dialect_for(dialect_name, run_id)
    shown: list[ReplayedFrame] = []

    def add(frames: Iterable[Frame], at: datetime) -> None:
        at_ms = max(0, int((at - began_at).total_seconds() * 1000))
        shown.extend(_shown(frame, len(shown) + 1 + n, at_ms) for n, frame in enumerate(frames))

    add(dialect.open(), began_at)
    for event in events:
        add(dialect.feed(event), event.at)
    return shown


def _shown(frame: Frame, number: int, at_ms: int) -> ReplayedFrame:
    text = orjson.dumps(frame.data, option=orjson.OPT_INDENT_2).decode()
    own: Any = frame.data.get("data", frame.data)
    brief = orjson.dumps(own).decode()
    name = str(frame.data.get("type", "frame"))
    return ReplayedFrame(
        number=number,
        at_ms=at_ms,
        at=duration_text(at_ms),
        name=name,
        id=(frame.id or "").rpartition(":")[2],
        summary=brief if len(brief) <= SUMMARY_LENGTH else f"{brief[:SUMMARY_LENGTH]}…",
        says=str(own.get("delta", "")) if name == "text_delta" else "",
        data=text if len(text) <= FRAME_LENGTH else f"{text[:FRAME_LENGTH]}\n…",
    )
