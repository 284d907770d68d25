"""Tasks whose steps are tasks: carried out in this process, run by run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db.models import F
from django.db.models.functions import Now

from billing.models import Quota
from orchestration.execution import drive
from orchestration.log.store import events_after
from orchestration.models import Approval, Run, SequenceStep, TaskDefinition
from orchestration.selectors import task_types as selecting
from orchestration.selectors.task_types import catalogues, task_type_named
from orchestration.selectors.tasks import task_document
from orchestration.services import sequence_steps, task_slots
from orchestration.services.leases import lease_claim
from orchestration.services.pausing import approval_resolve, approvals_expire
from orchestration.services.recovery import runs_recover
from orchestration.services.run_end import run_cancel
from orchestration.services.sequence_steps import sequence_steps_settle
from orchestration.services.task_assign import Order, Ordering, task_assign
from orchestration.services.task_types import task_definition_delete, task_definition_save
from taskmapr.core.errors import InvalidInput, LeaseLost
from taskmapr.core.ids import uuid7
from taskmapr.core.task_types import Permanent, Retryable, StepPlan, TaskContext, TaskType
from taskmapr.users.models import User
from tests.orchestration.engines.driving import refreshed, run_carry
from tests.orchestration.logs import assert_replay_equals_row, kinds, write

pytestmark = pytest.mark.django_db

OfType = Callable[..., TaskType]


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "LOOK_EVERY_S", 0.0)
    catalogues.forget()


def step(name: str, params: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    quick = {"duration_s": 0, "steps": 1, **(params or {})}
    return {"name": name, "type": "test_task", "params": quick, **more}


def sequence(*steps: Mapping[str, Any], name: str = "chain", **fields: Any) -> TaskDefinition:
    content = {"steps": list(steps)}
    made = TaskDefinition(name=name, kind="sequence", content=content, **fields)
    task_definition_save(definition=made, by="root")
    catalogues.forget()
    return made


@pytest.fixture
def assign(ada: User) -> Callable[..., Run]:
    """assign(params, name of a type, **members of the order)"""

    def order(params: Any = None, name: str = "chain", **members: Any) -> Run:
        run_id = uuid7()
        by = members.pop("by", Ordering(owner_id=ada.pk, credential=None, request_id="r-1"))
        task_assign(
            run_id=run_id, order=Order(task_type=name, params=params or {}, **members), by=by
        )
        return Run.objects.get(pk=run_id)

    return order


def carry_next() -> bool:
    """One worker carries the oldest run that waits for one, and tells who waits for its end."""
    queued = Run.objects.filter(status__in=("queued", "retrying"), enqueued_at__isnull=False)
    run = queued.order_by("-id").first()
    if run is None:
        return False
    async_to_sync(run_carry)(run.pk)
    sequence_steps_settle([run.pk])
    return True


def carry_all() -> None:
    while carry_next():
        pass


def lines(run: Run) -> list[str]:
    return [e.data["text"] for e in events_after(run.pk, 0) if e.kind == "log"]


def result(run: Run) -> Any:
    return [e.data["value"] for e in events_after(run.pk, 0) if e.kind == "result"][-1]


def steps_of(run: Run) -> list[SequenceStep]:
    return list(SequenceStep.objects.filter(sequence=run).select_related("run"))


@pytest.mark.req("TQ-12")
def test_each_step_is_a_task_with_what_earlier_ones_gave(assign: Callable[..., Run]) -> None:
    sequence(
        step("first", {"town": "{{ params.town }}"}),
        step(
            "second",
            {
                "whole": "{{ steps.first.output.echo }}",
                "said": "{{ steps.first.output.echo.town }}: {{steps.first.status}}, {{ params }}",
            },
        ),
    )

    run = assign({"town": "Ulm"})
    carry_all()

    ended = refreshed(run)
    assert (ended.status, ended.error_code) == ("succeeded", "")
    told = result(run)
    first, second = told["steps"]
    assert second["output"]["echo"]["whole"] == {"duration_s": 0, "steps": 1, "town": "Ulm"}
    assert second["output"]["echo"]["said"] == 'Ulm: completed, {"town":"Ulm"}'
    assert (told["completed"], told["failed"]) == (2, [])
    assert [first["task_id"], second["task_id"]] == [str(s.run_id) for s in steps_of(run)]
    assert (first["error"], first["status"], first["name"]) == (None, "completed", "first")
    assert_replay_equals_row(run)
    for made in steps_of(run):
        assert made.run is not None
        assert (made.run.kind, made.run.owner_id) == ("task", run.owner_id)
        assert (made.run.credential, made.run.request_id) == (run.credential, "r-1")
        assert_replay_equals_row(made.run)


@pytest.mark.req("TQ-12", "TQ-18")
def test_nobody_holds_a_sequence_while_its_step_goes_on(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"))
    run = assign()

    carry_next()

    waiting = refreshed(run)
    assert (waiting.status, waiting.lease_owner, waiting.lease_expires_at) == ("paused", "", None)
    assert kinds(run)[-2:] == ["approval.requested", "run.paused"]
    assert [made.name for made in steps_of(run)] == ["first"]
    assert steps_of(run)[0].run.status == "queued"  # type: ignore[union-attr]


@pytest.mark.req("TQ-12", "TQ-20")
def test_lines_progress_and_details_tell_which_step_it_is(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"), max_retries=1)
    run = assign()
    carry_next()

    under_way = task_document(run.pk)
    assert under_way["progress"] == {"percent": 0, "text": "step 1 of 2, first"}
    assert under_way["message"] == "Task 'chain' waits for its step 'first'"
    (begun,) = under_way["details"]["steps"]
    assert (begun["name"], begun["position"], begun["task_type"]) == ("first", 1, "test_task")
    of = task_document(UUID(begun["task_id"]))["details"]["step_of"]
    assert (of["task_id"], of["name"], of["position"]) == (str(run.pk), "first", 1)

    carry_all()
    done = task_document(run.pk)
    assert [s["name"] for s in done["details"]["steps"]] == ["first", "second"]
    assert (done["attempts"], done["progress"]) == (1, {"percent": 100, "text": "2 steps"})
    told = lines(run)
    assert told[0].startswith("step 1 of 2, first: test_task begins as task ")
    assert told[1].startswith("step 1 of 2, first: completed in ")
    assert [line.partition(":")[0] for line in told[2:]] == ["step 2 of 2, second"] * 2


@pytest.mark.req("TQ-12")
def test_a_step_that_fails_ends_the_sequence_with_its_error(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second", {"fail": "permanent"}), step("third"))

    run = assign()
    carry_all()

    ended = refreshed(run)
    assert (ended.status, ended.error_code) == ("failed", "step_failed")
    assert ended.error_message.startswith("Step 2 of 3, second, failed: test_failed: ")
    assert [made.name for made in steps_of(run)] == ["first", "second"]
    assert (result(run)["completed"], result(run)["failed"]) == (1, ["second"])
    assert result(run)["steps"][1]["error"]["code"] == "test_failed"
    assert_replay_equals_row(run)


@pytest.mark.req("TQ-12")
def test_a_step_may_fail_without_ending_the_sequence(assign: Callable[..., Run]) -> None:
    sequence(
        step("first", {"fail": "permanent"}, on_error="continue"),
        step("second", {"why": "{{ steps.first.error.code }}"}),
    )

    run = assign()
    carry_all()

    assert refreshed(run).status == "succeeded"
    told = result(run)
    assert (told["completed"], told["failed"]) == (1, ["first"])
    assert told["steps"][1]["output"]["echo"]["why"] == "test_failed"


@pytest.mark.req("TQ-12")
@pytest.mark.parametrize("goes_on", [True, False])
def test_what_cannot_be_filled_in_is_an_error_of_its_step(
    assign: Callable[..., Run], goes_on: bool
) -> None:
    sequence(
        step("first"),
        step(
            "second",
            {"x": ["{{ steps.first.output.nowhere }}"]},
            on_error="continue" if goes_on else "stop",
        ),
        step("third"),
    )

    run = assign()
    carry_all()

    failed = steps_of(run)[1]
    assert (failed.run, failed.error_code) == (None, "validation_error")
    assert "params.x.0: there is no steps.first.output.nowhere" in failed.error_message
    assert refreshed(run).status == ("succeeded" if goes_on else "failed")
    assert len(steps_of(run)) == (3 if goes_on else 2)


@pytest.mark.req("TQ-12", "TQ-08")
def test_what_is_filled_in_must_fit_the_type_of_the_step(assign: Callable[..., Run]) -> None:
    sequence(step("first", {"steps": "{{ params.many }}"}))

    run = assign({"many": "lots"})
    carry_all()

    assert "params.steps: 'lots' is not of type 'integer'" in refreshed(run).error_message


@pytest.mark.req("TQ-12", "TQ-15")
def test_a_step_has_the_attempts_of_its_type(assign: Callable[..., Run]) -> None:
    sequence(step("first", {"succeed_on_attempt": 2}))

    run = assign()
    carry_all()

    assert refreshed(run).status == "succeeded"
    (made,) = steps_of(run)
    assert made.run is not None
    assert (made.run.attempt, result(run)["steps"][0]["output"]["attempt"]) == (2, 2)


# Workers that are lost ----------------------------------------------------------------------------


def lose_the_worker(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    runs_recover()


@pytest.mark.req("TQ-12", "TQ-18")
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_worker_that_is_lost_at_the_beginning_of_a_step_begins_it_once(
    assign: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Before its task is there, or after: its own question is not in the log then."""
    sequence(step("first"), step("second"))
    run = assign(max_retries=0)
    claim = lease_claim(run_id=run.pk, worker_id="w0")
    assert claim is not None
    write(claim)
    if place == "after":
        plan = task_type_named("chain").steps[0]
        begun = sequence_steps.Step(claim=claim, position=1, plan=plan, limit_s=300)
        sequence_steps.sequence_step_begin(step=begun, params=plan.params)
    lose_the_worker(run)

    carry_all()

    assert refreshed(run).status == "succeeded"
    assert [made.name for made in steps_of(run)] == ["first", "second"]
    assert Run.objects.filter(subject="test_task").count() == 2
    assert_replay_equals_row(run)


@pytest.mark.req("TQ-12", "TQ-18")
def test_a_worker_that_is_lost_behind_a_step_repeats_none(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"))
    run = assign(max_retries=0)
    carry_next()
    carry_next()
    claim = lease_claim(run_id=run.pk, worker_id="w0")
    assert claim is not None
    write(claim)
    lose_the_worker(run)

    carry_all()

    assert refreshed(run).status == "succeeded"
    assert Run.objects.filter(subject="test_task").count() == 2
    assert task_document(run.pk)["attempts"] == 2


@pytest.mark.req("TQ-12", "TQ-18")
def test_the_sweep_finds_an_end_that_nobody_told(assign: Callable[..., Run]) -> None:
    sequence(step("first"))
    run = assign()
    carry_next()
    async_to_sync(run_carry)(steps_of(run)[0].run_id)
    assert refreshed(run).status == "paused"

    assert runs_recover()["told"] == 1
    assert runs_recover()["told"] == 0

    carry_all()
    assert refreshed(run).status == "succeeded"


@pytest.mark.req("TQ-12")
def test_a_step_that_is_over_before_its_sequence_waits_lets_it_go_on(
    assign: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker was faster than the one that is about to pause the sequence."""
    sequence(step("first"))
    run = assign()
    pause = drive.HeldRun._pause

    async def pause_late(held: drive.HeldRun) -> None:
        (made,) = await drive.in_database(steps_of, run)
        assert made.run_id is not None
        await run_carry(made.run_id, "w2")
        assert await drive.in_database(sequence_steps_settle, [made.run_id]) == 1
        await pause(held)

    monkeypatch.setattr(drive.HeldRun, "_pause", pause_late)
    carry_all()

    assert refreshed(run).status == "succeeded"
    assert_replay_equals_row(run)


@pytest.mark.req("TQ-12", "TQ-18")
def test_who_lost_the_sequence_begins_no_step(assign: Callable[..., Run]) -> None:
    sequence(step("first"))
    run = assign()
    claim = lease_claim(run_id=run.pk, worker_id="slow")
    assert claim is not None
    lose_the_worker(run)
    plan = task_type_named("chain").steps[0]
    late = sequence_steps.Step(claim=claim, position=1, plan=plan, limit_s=300)

    with pytest.raises(LeaseLost):
        sequence_steps.sequence_step_begin(step=late, params={})

    assert steps_of(run) == []


# Ends from outside -------------------------------------------------------------------------------


@pytest.mark.req("TQ-12", "TQ-17")
def test_a_step_is_cancelled_with_its_sequence(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"))
    run = assign()
    carry_next()

    run_cancel(run_id=run.pk, by="ada")

    (made,) = steps_of(run)
    assert made.run is not None
    assert [refreshed(run).status, made.run.status] == ["cancelled", "cancelled"]
    carry_all()
    assert len(steps_of(run)) == 1
    assert task_document(run.pk)["error"]["code"] == "cancelled"


@pytest.mark.req("TQ-12", "TQ-17")
def test_a_step_that_was_begun_while_its_sequence_was_cancelled_is_cancelled(
    assign: Callable[..., Run],
) -> None:
    """The worker hears of it only when the step is there already."""
    sequence(step("first"))
    run = assign()
    carry_next()
    end_in_the_row(run)

    assert sequence_steps_settle([run.pk]) == 1

    assert steps_of(run)[0].run.status == "cancelled"  # type: ignore[union-attr]


@pytest.mark.req("TQ-12", "TQ-17")
def test_a_step_that_somebody_cancels_has_failed(assign: Callable[..., Run]) -> None:
    sequence(step("first"))
    run = assign()
    carry_next()

    run_cancel(run_id=steps_of(run)[0].run_id, by="ada")  # type: ignore[arg-type]
    runs_recover()
    carry_all()

    assert refreshed(run).error_message.endswith("first, failed: cancelled: It was cancelled.")


@pytest.mark.req("TQ-12", "TQ-16")
def test_the_time_of_a_sequence_counts_its_steps(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"), timeout_s=60)
    run = assign()
    carry_next()
    asked = Approval.objects.get(run=run)
    began = refreshed(run).started_at
    assert began is not None
    assert abs(asked.expires_at - began - timedelta(seconds=60)) < timedelta(seconds=30)
    Approval.objects.update(expires_at=Now() - timedelta(seconds=1))

    assert approvals_expire() == 1
    async_to_sync(run_carry)(run.pk)
    sequence_steps_settle([run.pk])

    ended = refreshed(run)
    assert (ended.status, ended.error_code) == ("timed_out", "time_limit")
    assert steps_of(run)[0].run.status == "cancelled"  # type: ignore[union-attr]
    assert result(run)["completed"] == 0


@pytest.mark.req("TQ-12", "TQ-16")
def test_no_step_begins_after_the_time_of_its_sequence(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"), timeout_s=60)
    run = assign()
    carry_next()
    carry_next()
    Run.objects.filter(pk=run.pk).update(started_at=F("started_at") - timedelta(seconds=61))

    carry_all()

    assert refreshed(run).error_code == "time_limit"
    assert len(steps_of(run)) == 1


def test_no_person_answers_for_a_step(assign: Callable[..., Run]) -> None:
    sequence(step("first"))
    run = assign()
    carry_next()
    asked = Approval.objects.get(run=run)

    for decision in ("answered", "approved", "happened"):
        with pytest.raises(InvalidInput):
            approval_resolve(approval_id=asked.pk, decision=decision, by="ada", answer="x")  # type: ignore[arg-type]

    assert refreshed(run).status == "paused"


# What it has of its types ------------------------------------------------------------------------


@pytest.mark.req("TQ-12")
def test_a_task_keeps_its_steps_and_their_types_as_they_were(assign: Callable[..., Run]) -> None:
    content = {"type": "test_task", "params": {"duration_s": 0, "steps": 1}}
    quick = TaskDefinition(name="quick", kind="alias", content=content)
    task_definition_save(definition=quick, by="root")
    catalogues.forget()
    made = sequence(step("first"), {"name": "second", "type": "quick"})
    run = assign()
    quick.content = {"type": "test_task", "params": {"duration_s": 0, "steps": 5}}
    task_definition_save(definition=quick, by="root")
    made.content = {"steps": [step("other")]}
    task_definition_save(definition=made, by="root")

    carry_all()

    told = result(run)["steps"]
    assert [s["name"] for s in told] == ["first", "second"]
    assert told[1]["output"]["echo"]["steps"] == 1


@pytest.mark.req("TQ-12")
def test_a_sequence_can_be_a_step(assign: Callable[..., Run]) -> None:
    sequence(step("inmost", {"town": "{{ params.town }}"}), name="inner")
    sequence({"name": "all", "type": "inner", "params": {"town": "{{ params.town }}"}})
    run = assign({"town": "Ulm"})
    task_definition_delete(definition=TaskDefinition.objects.get(name="inner"), by="root")

    carry_all()

    assert refreshed(run).status == "succeeded"
    (outer,) = result(run)["steps"]
    assert outer["output"]["steps"][0]["output"]["echo"]["town"] == "Ulm"


@pytest.mark.req("TQ-12")
def test_a_name_that_became_a_sequence_leads_no_deeper_than_is_allowed(
    assign: Callable[..., Run], of_type: OfType
) -> None:
    """The type was one of the code when the task was assigned."""
    was = of_type(lambda params, ctx: None, name="shifty")
    sequence({"name": "only", "type": "shifty"}, name="inmost")
    sequence({"name": "only", "type": "inmost"}, name="inner")
    sequence({"name": "only", "type": "inner"})
    run = assign()
    selecting.task_types.remove([was.name])
    catalogues.forget()
    sequence(step("only"), name="shifty")

    carry_all()

    assert "sequence_too_deep" in refreshed(run).error_message
    assert not Run.objects.filter(subject__in=("shifty", "test_task")).exists()


@pytest.mark.req("TQ-12", "TQ-11")
@pytest.mark.parametrize(("switched_off", "code"), [(True, "task_disabled"), (False, "unknown")])
def test_a_type_that_is_gone_is_an_error_of_its_step(
    assign: Callable[..., Run], of_type: OfType, switched_off: bool, code: str
) -> None:
    made = of_type(lambda params, ctx: None, name="passing")
    sequence(step("first"), {"name": "second", "type": "passing"})
    run = assign()
    if switched_off:
        TaskDefinition.objects.create(name="passing", kind="code", is_enabled=False)
    else:
        selecting.task_types.remove([made.name])
    catalogues.forget()

    carry_all()

    assert steps_of(run)[1].error_code.startswith(code)
    assert refreshed(run).error_code == "step_failed"


@pytest.mark.req("TQ-12")
def test_secrets_that_a_step_hides_stay_hidden(assign: Callable[..., Run], of_type: OfType) -> None:
    def leaky(params: dict[str, Any], ctx: TaskContext) -> Any:
        ctx.hide("open sesame")
        raise Permanent("refused", "It said open sesame.")

    of_type(leaky, name="leaky")
    sequence({"name": "only", "type": "leaky"})

    run = assign()
    carry_all()

    assert refreshed(run).error_message.endswith("refused: It said [redacted].")
    assert all("sesame" not in str(event.data) for event in events_after(run.pk, 0))


@pytest.mark.req("TQ-12")
def test_what_a_quota_refuses_is_an_error_of_the_step(
    assign: Callable[..., Run], ada: User
) -> None:
    sequence(step("first"), step("second"))
    Quota.objects.create(user=ada, pattern="task.test_task", max_calls=1)

    run = assign()
    carry_all()

    assert steps_of(run)[1].error_code == "quota_exceeded"
    assert refreshed(run).error_code == "step_failed"


def test_a_retryable_failure_of_a_step_does_not_repeat_the_sequence(
    assign: Callable[..., Run], of_type: OfType
) -> None:
    def busy(params: dict[str, Any], ctx: TaskContext) -> Any:
        raise Retryable("busy")

    of_type(busy, name="busy", max_retries=1)
    sequence(step("first"), {"name": "second", "type": "busy"}, max_retries=5)

    run = assign()
    carry_all()

    assert refreshed(run).error_message.endswith("second, failed: retries_exhausted: busy")
    assert Run.objects.filter(subject="test_task").count() == 1
    assert Run.objects.filter(subject="busy").count() == 1


@pytest.mark.req("TQ-12", "TQ-36")
def test_a_sequence_begins_and_ends_once_in_the_lines_of_tasks(
    assign: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    sequence(step("first", {"duration_s": 0.2}), step("second"))

    run = assign()
    carry_all()

    told = [r.__dict__ for r in caplog.records if r.__dict__.get("task_id") == str(run.pk)]
    assert [line["event"] for line in told] == ["assigned", "started", "completed"]
    assert told[-1]["duration_ms"] >= 200


@pytest.mark.req("TQ-12", "TQ-18")
def test_a_sequence_keeps_its_place_while_its_step_goes_on(assign: Callable[..., Run]) -> None:
    sequence(step("first"), step("second"), concurrency=1)
    first, second = assign(), assign()
    async_to_sync(run_carry)(first.pk)

    def admitted(run: Run) -> bool:
        claim = lease_claim(run_id=run.pk, worker_id="w1")
        assert claim is not None
        begins = task_slots.admit([claim])
        task_slots.leave(begins)
        return bool(begins)

    assert not admitted(second)
    waiting = refreshed(second)
    assert (waiting.status, waiting.enqueued_at, waiting.attempt) == ("queued", None, 0)
    # Its step is over, and nobody has taken it up yet.
    (made,) = steps_of(first)
    assert made.run_id is not None
    async_to_sync(run_carry)(made.run_id)
    sequence_steps_settle([made.run_id])
    Run.objects.filter(pk=second.pk).update(enqueued_at=Now())
    assert not admitted(second)
    assert admitted(first)

    end_in_the_row(first)
    Run.objects.filter(pk=second.pk).update(enqueued_at=Now())
    assert admitted(second)


def end_in_the_row(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(status="cancelled", finished_at=Now())


@pytest.mark.req("TQ-12", "TQ-17")
def test_a_process_that_dies_before_it_cancels_a_step_leaves_it_to_the_sweep(
    assign: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence(step("first"))
    run = assign()
    carry_next()
    end_in_the_row(run)

    def dies(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(sequence_steps, "run_cancel", dies)
        with pytest.raises(SystemExit):
            sequence_steps_settle([run.pk])

    assert runs_recover()["told"] == 1
    assert steps_of(run)[0].run.status == "cancelled"  # type: ignore[union-attr]


@pytest.mark.req("TQ-12", "TQ-10")
def test_types_made_in_code_may_have_steps_as_well(
    assign: Callable[..., Run], of_type: OfType
) -> None:
    plan = StepPlan(name="only", task_type="test_task", params={"duration_s": 0, "steps": 1})
    of_type(lambda params, ctx: None, name="coded", steps=(plan,))

    run = assign(name="coded")
    carry_all()

    assert refreshed(run).status == "succeeded"
    assert result(run)["steps"][0]["name"] == "only"
