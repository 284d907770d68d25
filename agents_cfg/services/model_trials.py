"""Trying a model: one short question through the same port that runs use."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from agents_cfg.models import ModelProfile, ModelTrial
from agents_cfg.models.model_trial import TrialStatus
from agents_cfg.selectors.profiles import endpoint_of_model
from taskmapr.core import jobs, wired
from taskmapr.core.errors import ModelFailed, TaskMaprError
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ModelResponse

INSTRUCTIONS: Final = "You are being tested by an operator. Answer in one short sentence."
QUESTION: Final = "Say hello and name the model that you are."
#: The whole trial takes at most this long; a reasoning model may need most of the tokens to think.
LIMIT_S: Final = 60.0
OUTPUT_TOKENS: Final = 1_000
ANSWER_LENGTH: Final = 2_000
#: Trials kept per model.
KEPT: Final = 20


def model_trial_request(*, profile: ModelProfile, by: str) -> ModelTrial:
    """Write a trial down and ask a worker to carry it out.

    by: the operator's name. Only the newest KEPT trials of the model remain. Raises
    QueueUnavailable; the trial has failed then.
    """
    trial = ModelTrial.objects.create(profile=profile, asked_by=by)
    newest = ModelTrial.objects.filter(profile=profile).values_list("pk", flat=True)[:KEPT]
    ModelTrial.objects.filter(profile=profile).exclude(pk__in=list(newest)).delete()
    try:
        wired.ports().queue.enqueue(jobs.MODEL_TRY, str(trial.pk), queue=jobs.QUEUE_CHORES)
    except TaskMaprError as error:
        _fail(trial, error, duration_ms=0)
        raise
    return trial


def model_trial_run(*, trial_id: UUID) -> None:
    """Ask the model and write down what came of it. Runs in a worker; a second call does nothing.

    The fallbacks of the profile are not asked: the question is whether this model answers.
    """
    with transaction.atomic():
        waiting = ModelTrial.objects.select_related("profile").select_for_update(of=("self",))
        trial = waiting.filter(pk=trial_id, status=TrialStatus.WAITING).first()
    if trial is None:
        return
    endpoint = endpoint_of_model(trial.profile)
    sink, begun = _Sink(), time.monotonic()
    try:
        response = asyncio.run(_asked(endpoint, sink))
    except TaskMaprError as error:
        _fail(trial, error, duration_ms=_since_ms(begun))
    else:
        _succeed(trial, endpoint, response, sink.first_at, begun)


async def _asked(endpoint: ModelEndpoint, sink: _Sink) -> ModelResponse:
    request = ModelRequest(
        endpoint=endpoint,
        instructions=INSTRUCTIONS,
        messages=[{"role": "user", "content": QUESTION}],
        max_output_tokens=min(endpoint.max_output_tokens or OUTPUT_TOKENS, OUTPUT_TOKENS),
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            return await wired.ports().model(endpoint).respond(request, sink)
    except TimeoutError:
        raise ModelFailed(f"The model did not finish its answer within {LIMIT_S:g} s.") from None
    finally:
        await wired.ports().close_models()


@dataclass(slots=True)
class _Sink:
    """Notes when the model first said something."""

    first_at: float | None = None

    def text(self, delta: str) -> None:
        self.first_at = self.first_at or time.monotonic()

    def reasoning(self, delta: str) -> None:
        self.text(delta)


def _succeed(
    trial: ModelTrial,
    endpoint: ModelEndpoint,
    response: ModelResponse,
    first_at: float | None,
    begun: float,
) -> None:
    trial.status = TrialStatus.SUCCEEDED
    trial.answer = response.text[:ANSWER_LENGTH]
    trial.model = response.model[:200]
    trial.first_output_ms = None if first_at is None else int((first_at - begun) * 1000)
    trial.duration_ms = _since_ms(begun)
    if response.usage_reported:
        trial.input_tokens, trial.output_tokens = response.input_tokens, response.output_tokens
        trial.cost_usd_micros = wired.ports().prices.cost_usd_micros(
            endpoint, response.input_tokens, response.output_tokens
        )
    _close(trial)


def _fail(trial: ModelTrial, error: TaskMaprError, *, duration_ms: int) -> None:
    trial.status = TrialStatus.FAILED
    trial.error_code, trial.error_message = error.code, error.detail
    trial.duration_ms = duration_ms
    _close(trial)


def _close(trial: ModelTrial) -> None:
    """A profile that was deleted meanwhile took its trials with it: then there is nothing left."""
    trial.finished_at = datetime.now(UTC)
    names = [field.attname for field in ModelTrial._meta.concrete_fields if not field.primary_key]
    ModelTrial.objects.filter(pk=trial.pk).update(**{name: getattr(trial, name) for name in names})


def _since_ms(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)
