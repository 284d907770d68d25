"""What comes of intents: jobs, looked at, followed, stopped."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestration.api import intents_described as described
from orchestration.api.asking import credential_of, name_of, user_of
from orchestration.api.intents import stream_of
from orchestration.api.settling import settled
from orchestration.api.streams import event_id_of
from orchestration.dialects.orchestrate import job_body
from orchestration.selectors.deliveries import callback_summaries, callback_summary
from orchestration.selectors.jobs import PAGE, PAGE_MAX, Job, Reader, job_find, jobs_page
from orchestration.selectors.runs import runs_running
from orchestration.services.deliveries import delivery_redeliver
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import EventsExpired, InvalidInput
from taskmapr.core.run_kinds import INTENT
from taskmapr.core.run_state import RUNNING
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.users.authentication import QueryTokenPrincipal
from taskmapr.users.scopes import Scope


class JobsApi(StreamingAPIView):
    """The caller's jobs, newest first."""

    required_scope = Scope.INTENTS_RUN

    @described.JOBS
    async def get(self, request: Request) -> HttpResponseBase:
        asked, user_id = request.query_params, user_of(request).pk
        look = partial(
            _listed,
            user_id=user_id,
            status=asked.get("status", ""),
            intent=asked.get("intent", "")[:128],
            cursor=asked.get("cursor", ""),
            limit=_limit(asked.get("limit")),
        )
        _, body = await settled(partial(in_database, look), running=lambda found: found[0])
        return Response(body)


class JobApi(StreamingAPIView):
    """One job."""

    required_scope = Scope.INTENTS_RUN

    @described.JOB
    async def get(self, request: Request, job_id: str) -> HttpResponseBase:
        reader = reader_of(request)

        def look() -> tuple[Job, dict[str, Any]]:
            job = job_find(job_id, reader)
            return job, told(job)

        _, body = await settled(
            partial(in_database, look),
            running=lambda found: [found[0].run_id] if found[0].row.status == RUNNING else [],
        )
        return Response(body)


class JobCancelApi(APIView):
    """Stop a job."""

    required_scope = Scope.INTENTS_RUN

    @described.JOB_CANCEL
    def post(self, request: Request, job_id: str) -> Response:
        job = job_find(job_id, reader_of(request))
        run_cancel(run_id=job.run_id, by=name_of(request.user))
        return Response({"ok": True, "job_id": job.row.facts.job_id}, status=202)


class JobRedeliverApi(APIView):
    """Send the callbacks of a finished job again."""

    required_scope = Scope.INTENTS_RUN

    @described.JOB_REDELIVER
    def post(self, request: Request, job_id: str) -> Response:
        job = job_find(job_id, reader_of(request))
        delivery_redeliver(run_id=job.run_id)
        return Response({"ok": True, "job_id": job.row.facts.job_id}, status=202)


class JobStreamApi(StreamingAPIView):
    """Follow a job from any of its events."""

    authentication_classes = (QueryTokenPrincipal,)
    required_scope = Scope.INTENTS_RUN

    @described.JOB_STREAM
    async def get(self, request: Request, job_id: str) -> HttpResponseBase:
        job = await in_database(job_find, job_id, reader_of(request))
        if job.is_erased:
            raise EventsExpired
        cursor = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id")
        named, after = event_id_of(cursor) if cursor else (job.run_id, 0)
        if named != job.run_id:
            raise InvalidInput.of(("Last-Event-ID", "names another job than the address"))
        return stream_of(request, job.row.facts, after=after, sealer=job.sealer)


def _listed(*, user_id: UUID, **wanted: Any) -> tuple[list[UUID], dict[str, Any]]:
    """The user's jobs that run, whether they are among those that are wanted or not, and the
    page."""
    running = runs_running(owner_id=user_id, kind=INTENT.name)
    page, following = jobs_page(user_id=user_id, **wanted)
    callbacks = callback_summaries([job.run_id for job in page])
    listed = [job_body(job.row, job.outcome, callbacks[job.run_id]) for job in page]
    return running, {"jobs": listed, "next_cursor": following}


def told(job: Job) -> dict[str, Any]:
    """A job with the state of its callback."""
    return job_body(job.row, job.outcome, callback_summary(job.run_id))


def reader_of(request: Request) -> Reader:
    return Reader(user_id=user_of(request).pk, ref=credential_of(request).ref)


def _limit(text: str | None) -> int:
    try:
        limit = int(text) if text else PAGE
    except ValueError:
        limit = 0
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidInput.of(("limit", f"must be a whole number from 1 to {PAGE_MAX}"))
    return limit
