"""What every endpoint does that asks the assistant: count, start a run, read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from django.http import JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from agents_cfg.selectors.profiles import profile_allowance
from orchestration.api.settling import begun_when_settled
from orchestration.api.streams import Followed, json_body, sse_frames, stream_response
from orchestration.live import live
from orchestration.page.request import OverlayRequest
from orchestration.services.idempotency import RunRepeated
from orchestration.services.overlay_runs import Asked, overlay_run_start
from orchestration.services.run_start import StartedRun
from orchestration.standby.anywhere import readable_anywhere
from taskmapr.core.errors import InvalidRequest, SessionBusy
from taskmapr.core.ids import uuid7
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.foundation.problems import is_database_unavailable
from taskmapr.foundation.telemetry import metrics
from taskmapr.foundation.telemetry.requests import endpoint_of
from taskmapr.users.credentials import Credential
from taskmapr.users.models import User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.dev_user import DEV_USER_ID, DEV_USER_NAME

#: Printable ASCII without spaces.
_KEY: Final = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A run that one answer is about to tell. `how`: arguments of `Followed.batches`."""

    followed: Followed
    how: dict[str, Any] = field(default_factory=dict)
    after: int = 0
    #: An earlier request began the run.
    is_repeat: bool = False
    #: The run is over, and the reader has heard its last event.
    is_told: bool = False

    def stream(self) -> HttpResponseBase:
        frames = sse_frames(self.followed, after=self.after, **self.how)
        return self._marked(
            stream_response(
                frames,
                run_id=self.followed.run_id,
                session_id=self.followed.session_id,
                subscription=self.how.get("subscription"),
            )
        )

    async def body(self) -> dict[str, Any]:
        """Waits for the end of the run. A failed run is raised as its error."""
        return await json_body(self.followed, **self.how)

    def json(self, body: dict[str, Any]) -> HttpResponseBase:
        headers = {
            "X-Run-Id": str(self.followed.run_id),
            "X-Session-Id": self.followed.session_id or "",
        }
        return self._marked(JsonResponse(body, headers=headers))

    def _marked(self, response: HttpResponseBase) -> HttpResponseBase:
        if self.is_repeat:
            response.headers["Idempotency-Replayed"] = "true"
        return response


class AskingView(StreamingAPIView):
    """The base of the endpoints that ask."""

    required_scope = Scope.OVERLAY

    def rate_limit(self, request: Request) -> tuple[str, int] | None:
        """See foundation.throttling: the limit of the profile that the request will use."""
        asked = request.data if request.method == "POST" else request.query_params
        named = asked.get("profile") if isinstance(asked, dict) else None
        return profile_allowance(name=named, origin=request.headers.get("Origin"))

    async def start(self, request: Request, asked_for: OverlayRequest) -> Reading:
        """Start a run for this request, or find the one that it began when it came before."""
        key = idempotency_key_of(request)
        run_id = uuid7()
        # Listening comes first: nothing the run says can be missed, and a queue that is down is
        # noticed before anything exists.
        subscription = await live().subscribe(run_id)
        try:
            started = await overlay_started(
                Asked(
                    run_id=run_id,
                    user_id=user_of(request).pk,
                    user_name=name_of(request.user),
                    request=asked_for,
                    origin=request.headers.get("Origin"),
                    request_id=getattr(request, "request_id", ""),
                    idempotency_key=key,
                )
            )
        except RunRepeated as earlier:
            await live().unsubscribe(subscription)
            return replace(await reading_of(request, earlier.run_id), is_repeat=True)
        except BaseException as error:
            await live().unsubscribe(subscription)
            if isinstance(error, Exception) and is_database_unavailable(error):
                metrics.persistence_counted("failed")
            raise
        told = started.created.data
        metrics.persistence_counted(told.get("persistence", "database"))
        return Reading(
            followed=Followed(
                run_id, told["session_id"], kind=told["run_kind"], endpoint=endpoint_of(request)
            ),
            how={"subscription": subscription, "known": [started.created]},
        )


async def overlay_started(asked: Asked) -> StartedRun:
    """`overlay_run_start`; a session is not busy with a run whose end was told."""
    return await begun_when_settled(
        partial(in_database, overlay_run_start, asked),
        refused=SessionBusy,
        session_id=asked.request.session_id,
        owner_id=asked.user_id,
    )


def idempotency_key_of(request: Request) -> str | None:
    """Raises InvalidRequest for one that is empty, too long, or has odd characters."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 printable characters, no spaces.")
    return key


async def reading_of(request: Request, run_id: UUID, *, after: int = 0) -> Reading:
    """The caller's run, from the event after that number. Raises RunNotFound, EventsExpired."""
    run = await in_database(readable_anywhere, run_id=run_id, user_id=user_of(request).pk)
    return Reading(
        followed=Followed(run_id, run.session_id, kind=run.kind, endpoint=endpoint_of(request)),
        how={"sealer": run.sealer},
        after=after,
        is_told=run.is_final and after >= run.last_seq,
    )


def user_of(request: Request) -> User:
    """The principal: nobody comes past the permissions without one."""
    return cast("User", request.user)


def credential_of(request: Request) -> Credential:
    """What the principal was let in with."""
    return cast("Credential", request.auth)


def name_of(user: Any) -> str:
    """How a user is called in session ids and logs."""
    return DEV_USER_NAME if user.pk == DEV_USER_ID else str(user.pk)
