"""Trying a model: through the real port, with the real stand-in and a real dead address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agents_cfg.models import ModelProfile, ModelTrial
from agents_cfg.services.model_trials import KEPT, model_trial_request, model_trial_run
from taskmapr.core import jobs, wired
from taskmapr.core.errors import QueueUnavailable
from tests.fakes import RecordingQueue

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue() -> Iterator[RecordingQueue]:
    before, queue = wired.ports(), RecordingQueue()
    wired.wire(replace(before, queue=queue))
    yield queue
    wired.wire(before)


def profile(**changes: Any) -> ModelProfile:
    given = {"name": "own", "model": "mock/echo", "adapter": "offline", **changes}
    return ModelProfile.objects.create(**given)


def tried(own: ModelProfile) -> ModelTrial:
    trial = model_trial_request(profile=own, by="root")
    model_trial_run(trial_id=trial.pk)
    trial.refresh_from_db()
    return trial


def test_a_worker_is_asked(queue: RecordingQueue) -> None:
    trial = model_trial_request(profile=profile(), by="root")

    assert queue.jobs == [(jobs.MODEL_TRY, (str(trial.pk),), "chores")]
    assert (trial.status, trial.asked_by) == ("waiting", "root")


def test_an_answer_is_kept_with_its_figures(
    queue: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = type(wired.ports().prices)
    monkeypatch.setattr(prices, "cost_usd_micros", lambda self, endpoint, i, o: i + 2 * o)
    trial = tried(profile())

    assert trial.status == "succeeded"
    assert trial.answer
    assert trial.input_tokens
    assert trial.output_tokens
    assert trial.cost_usd_micros == trial.input_tokens + 2 * trial.output_tokens
    assert trial.first_output_ms is not None
    assert trial.duration_ms is not None
    assert trial.first_output_ms <= trial.duration_ms
    assert trial.finished_at is not None


def test_a_dead_address_is_named_without_the_key(queue: RecordingQueue) -> None:
    own = profile(
        model="openai/own",
        adapter="openai",
        base_url="http://127.0.0.1:9/v1",
        api_key="sk-very-secret",
    )

    trial = tried(own)

    assert (trial.status, trial.error_code) == ("failed", "llm_unavailable")
    assert trial.error_message == "The language model is not reachable."
    assert "sk-very-secret" not in str(ModelTrial.objects.filter(pk=trial.pk).values().get())


def test_fallbacks_are_not_asked(queue: RecordingQueue) -> None:
    spare = profile(name="spare")
    own = profile(
        model="openai/own", adapter="openai", base_url="http://127.0.0.1:9/v1", fallback=spare
    )

    assert tried(own).status == "failed"


def test_a_trial_is_carried_out_once(queue: RecordingQueue) -> None:
    trial = tried(profile())

    ModelProfile.objects.update(adapter="openai", base_url="http://127.0.0.1:9/v1")
    model_trial_run(trial_id=trial.pk)

    assert ModelTrial.objects.get().status == "succeeded"


def test_only_the_newest_trials_are_kept(queue: RecordingQueue) -> None:
    own, other = profile(), profile(name="other")
    model_trial_request(profile=other, by="root")
    trials = [model_trial_request(profile=own, by="root") for _ in range(KEPT + 2)]

    kept = set(ModelTrial.objects.filter(profile=own).values_list("pk", flat=True))
    assert kept == {trial.pk for trial in trials[2:]}
    assert ModelTrial.objects.filter(profile=other).count() == 1


def test_without_a_queue_the_trial_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise QueueUnavailable

    monkeypatch.setattr(type(wired.ports().queue), "enqueue", away)

    with pytest.raises(QueueUnavailable):
        model_trial_request(profile=profile(), by="root")

    trial = ModelTrial.objects.get()
    assert (trial.status, trial.error_code) == ("failed", "queue_unavailable")
