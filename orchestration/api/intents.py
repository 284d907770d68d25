"""The one webhook: run an intent, and see which there are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestration.api import intents_described as described
from orchestration.api.asking import credential_of, idempotency_key_of, user_of
from orchestration.api.settling import begun_when_settled, rows_settle
from orchestration.api.streams import Followed, sse_frames, stream_response
from orchestration.dialects.orchestrate import (
    JobFacts,
    Outcome,
    accepted_body,
    failure_members,
    success_body,
)
from orchestration.intents.request import IntentRequest, intent_request
from orchestration.live import live
from orchestration.log.reader import Subscription
from orchestration.selectors.intents import (
    Caller,
    intent_modes,
    intents_for,
    offer_for,
    user_of_id,
)
from orchestration.services.deliveries import callback_url_check
from orchestration.services.intent_runs import (
    Asked,
    Finished,
    Ready,
    UnderWay,
    callback_add,
    intent_prepare,
    intent_start,
)
from taskmapr.core.errors import InvalidInput, TaskMaprError, TooMany
from taskmapr.core.ids import uuid7
from taskmapr.core.run_kinds import INTENT
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.foundation.problems import PROBLEM_JSON, problem_body, request_id_of
from taskmapr.foundation.telemetry.requests import endpoint_of
from taskmapr.users.scopes import Scope

#: The path by which keys of clients are told apart, whichever alias was used.
PATH: Final = "/orchestrate"


#: What was asked for, and what is to be done or was done already.
Prepared = tuple[Asked, Finished | UnderWay | Ready]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A job that a request has come to. `outcome`: it is over. `how`: how it is followed."""

    facts: JobFacts
    how: dict[str, Any]
    outcome: Outcome | None = None
    is_repeat: bool = False
    #: Nobody should wait for it.
    is_slow: bool = False


class IntentApi(StreamingAPIView):
    """Run an intent."""

    required_scope = Scope.INTENTS_RUN

    def rate_limit(self, request: Request) -> tuple[str, int]:
        """See foundation.throttling."""
        return "intents", settings.TASKMAPR["intents_per_minute"]

    def prepare(self, request: Request) -> tuple[IntentRequest, Prepared | None]:
        """None: the callback's host has to be looked up before, which may take seconds."""
        asked_for = intent_request(request.data)
        if asked_for.callback_url is not None:
            return asked_for, None
        return asked_for, _prepared(request, asked_for)

    @described.ORCHESTRATE
    async def post(self, request: Request) -> HttpResponseBase:
        asked_for, prepared = self.prepared
        told = await self._told(request, asked_for, prepared)
        if "text/event-stream" in request.headers.get("Accept", ""):
            return _marked(_stream(request, told), told)
        if told.outcome is None and not (asked_for.is_async or told.is_slow):
            told = await _waited(told, settings.TASKMAPR["sync_timeout_s"])
        elif told.outcome is None:
            await _unheard(told)
        return _marked(_answer(request, told, asked_for), told)

    async def _told(
        self, request: Request, asked_for: IntentRequest, prepared: Prepared | None
    ) -> Told:
        if prepared is None:
            # Looks a name up: not where the database is asked.
            await asyncio.to_thread(callback_url_check, str(asked_for.callback_url))
            prepared = await in_database(_prepared, request, asked_for)
        asked, found = prepared
        if isinstance(found, UnderWay) and await rows_settle([found.facts.run_id]):
            # It was over: whether a repeat begins anew depends on how it ended.
            found = await in_database(intent_prepare, asked)
        told = await self._begun(found) if isinstance(found, Ready) else _found(found)
        if told.is_repeat and asked_for.callback_url is not None:
            await in_database(callback_add, asked, told.facts.run_id)
        return told

    async def _begun(self, ready: Ready) -> Told:
        # Listening comes first: nothing the job says can be missed, and a queue that is down is
        # noticed before anything exists.
        subscription = await live().subscribe(ready.facts.run_id)
        try:
            found = await begun_when_settled(
                partial(in_database, intent_start, ready),
                refused=TooMany,
                credential=ready.new.credential,
            )
        except BaseException:
            await live().unsubscribe(subscription)
            raise
        if isinstance(found, Finished | UnderWay):
            await live().unsubscribe(subscription)
            return _found(found)
        started, sealer = found
        how = {"subscription": subscription, "known": [started.created], "sealer": sealer}
        return Told(facts=ready.facts, how=how, is_slow=ready.is_slow)


class IntentAliasApi(IntentApi):
    """The same under its other name."""

    @described.ALIAS
    async def post(self, request: Request) -> HttpResponseBase:
        return await super().post(request)


def _found(found: Finished | UnderWay) -> Told:
    """A job that is over, or that an earlier request began."""
    if isinstance(found, UnderWay):
        return Told(facts=found.facts, how={"sealer": found.sealer}, is_repeat=True)
    how = {"sealer": found.sealer} if found.events is None else {"known": found.events}
    return Told(facts=found.facts, how=how, outcome=found.outcome, is_repeat=found.is_repeat)


def _prepared(request: Request, asked_for: IntentRequest) -> Prepared:
    asked = _asked(request, asked_for)
    return asked, intent_prepare(asked)


def _asked(request: Request, asked_for: IntentRequest) -> Asked:
    """Touches the database only where the context names another user, and may."""
    caller = Caller(user=user_of(request), credential=credential_of(request))
    named = asked_for.named_user
    credential = caller.credential
    may_name = credential.scopes is not None and credential.permits(Scope.IMPERSONATE)
    if named and may_name and named != caller.user_id:
        caller = _instead(caller, named)
    return Asked(
        run_id=uuid7(),
        caller=caller,
        request=asked_for,
        request_id=getattr(request, "request_id", ""),
        idempotency_key=idempotency_key_of(request),
        path=PATH,
        is_fresh="no-cache" in request.headers.get("Cache-Control", "").lower(),
    )


def _instead(caller: Caller, named: str) -> Caller:
    """The same credential, acting for another user; never for one of the staff."""
    user = user_of_id(named)
    if user is None or user.is_staff:
        raise InvalidInput.of(("context.user_id", "names nobody for whom this key may act"))
    return replace(caller, user=user)


# Waiting -----------------------------------------------------------------------------------------


async def _waited(told: Told, seconds: float) -> Told:
    """The same job, over if it ended within that time."""
    if seconds <= 0:
        await _unheard(told)
        return told
    outcome = Outcome()
    batches = live().follow(told.facts.run_id, idle_s=max(seconds, 1.0), **told.how)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for batch in batches:
                    outcome.feed_all(batch)
    finally:
        await batches.aclose()
    return replace(told, outcome=outcome) if outcome.is_final else told


async def _unheard(told: Told) -> None:
    """Nobody listens to what was subscribed to."""
    subscription: Subscription | None = told.how.get("subscription")
    if subscription is not None:
        await live().unsubscribe(subscription)


# Answers -----------------------------------------------------------------------------------------


def _answer(request: Request, told: Told, asked_for: IntentRequest) -> HttpResponse:
    if told.outcome is None or asked_for.is_async:
        body = accepted_body(told.facts, asked_for.callback_url)
        headers = {"Location": body["status_url"], "Retry-After": "2"}
        return JsonResponse(body, status=202, headers=headers)
    if (problem := told.outcome.problem()) is not None:
        return _refusal(request, told.facts, told.outcome, problem)
    # By orjson, as the result was stored: equal answers are equal to the byte.
    return HttpResponse(
        orjson.dumps(success_body(told.facts, told.outcome)), content_type="application/json"
    )


def _refusal(
    request: Request, facts: JobFacts, outcome: Outcome, problem: TaskMaprError
) -> HttpResponse:
    """The problem with which the job ended, and the members that say which job it was."""
    problem.details["attempts"] = outcome.attempts
    body = problem_body(problem, path=request.path, request_id=request_id_of(request._request))
    response = HttpResponse(
        orjson.dumps({**body, **failure_members(facts, outcome)}, default=str),
        content_type=PROBLEM_JSON,
        status=problem.status,
        headers=problem.headers,
    )
    response.problem_code = problem.code  # type: ignore[attr-defined]
    return response


def _stream(request: Request, told: Told) -> HttpResponseBase:
    return stream_of(request, told.facts, **told.how)


def stream_of(request: Request, facts: JobFacts, *, after: int = 0, **how: Any) -> HttpResponseBase:
    """The job's frames with seq > after. `how`: arguments of `Followed.batches`."""
    followed = Followed(facts.run_id, None, kind=INTENT.name, endpoint=endpoint_of(request))
    frames = sse_frames(followed, after=after, dialect_name="job", **how)
    response = stream_response(
        frames, run_id=facts.run_id, session_id=None, subscription=how.get("subscription")
    )
    response.headers["X-Job-Id"] = facts.job_id
    return response


def _marked(response: HttpResponseBase, told: Told) -> HttpResponseBase:
    if told.is_repeat:
        response.headers["Idempotency-Replayed"] = "true"
    return response


# What there is -----------------------------------------------------------------------------------


class IntentsApi(APIView):
    """The intents that the caller may run."""

    required_scope = Scope.INTENTS_RUN

    @described.INTENTS
    def get(self, request: Request) -> Response:
        caller = Caller(user=user_of(request), credential=credential_of(request))
        offer = offer_for(caller)
        listed = [
            {
                "name": line.name,
                "description": line.summary,
                "mode": modes[0],
                "modes": modes,
                "inputs_schema": line.input_schema,
                "danger": line.danger,
                "volatile": line.volatile,
                "cost": {
                    "usd_micros": line.cost_usd_micros,
                    "usd_micros_per_s": line.cost_usd_micros_per_s,
                },
                "source": line.source,
            }
            for line in intents_for(caller)
            if (modes := intent_modes(line, caller, offer))
        ]
        return Response({"intents": listed, "count": len(listed)})
