"""`approve_batches` at a site where a person has to say yes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from orchestration.models import BatchApproval, Run, Site
from orchestration.services.run_start import NewRun, run_start
from orchestration.services.task_confirm import task_confirm
from orchestration.task_types.approve_batches import approve_batches
from taskmapr.core import wired
from taskmapr.core.ids import uuid7
from taskmapr.core.task_types import Confirmation, TaskType, TaskWaits, task_types
from taskmapr.settings.browser import EscSettings
from taskmapr.users.models import User
from tests.browser.context import RecordingContext
from tests.browser.paper import Opener, PaperSite
from tests.fakes import RecordingQueue
from tests.orchestration.engines.driving import run_carry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url", "careful")]

MakeContext = Callable[..., RecordingContext]


@pytest.fixture
def careful(db: None, settings: Any) -> Site:
    settings.ESC = EscSettings(
        base_url="https://esc.example.org/",
        username="ann",
        password="right",
        has_demo=False,
        demo_credentials=("", ""),
    )
    return Site.objects.create(name="esc", require_confirmation=True)


@pytest.fixture
def paper() -> PaperSite:
    return PaperSite({"1": "Pending", "2": "Pending"})


@pytest.fixture(autouse=True)
def opener(paper: PaperSite) -> Iterator[Opener]:
    real, opener = wired.ports(), Opener(paper)
    wired.wire(replace(real, browser=opener, queue=RecordingQueue()))
    yield opener
    wired.wire(real)


def work(ctx: RecordingContext, **params: Any) -> Any:
    given = {"batch_ids": [1, 2], "auto_approve": True, **params}
    return approve_batches.handler(approve_batches.params_of(given), ctx)


@pytest.mark.req("TQ-46")
def test_waits_before_a_browser_is_opened(context: MakeContext, opener: Opener) -> None:
    ctx = context()
    with pytest.raises(TaskWaits):
        work(ctx)

    about = {"site": "esc", "batch_ids": [1, 2]}
    assert ctx.questions == [("May 2 batches be approved at esc?", about, 3600)]
    assert (opener.opened, ctx.effects) == ([], [])
    # What it comes to, should somebody cancel it meanwhile.
    assert [(b["outcome"], b["message"]) for b in ctx.partials[-1]["batches"]] == [
        ("skipped", "not tried yet")
    ] * 2


@pytest.mark.req("TQ-46")
def test_who_only_looks_needs_no_confirmation(context: MakeContext, paper: PaperSite) -> None:
    ctx = context()

    assert work(ctx, auto_approve=False)["would_approve"] == 2
    assert (ctx.questions, paper.approvals) == ([], [])


@pytest.mark.req("TQ-46")
@pytest.mark.parametrize(
    ("decision", "message"),
    [("denied", "refused by Root"), ("expired", "nobody confirmed it in time")],
)
@pytest.mark.parametrize("is_asked_still", [True, False])
def test_without_a_yes_every_batch_is_skipped(
    context: MakeContext, opener: Opener, decision: Any, message: str, is_asked_still: bool
) -> None:
    """Also when the site does not ask any more: who was refused stays refused."""
    Site.objects.update(require_confirmation=is_asked_still)
    ctx = context(said=Confirmation(decision, "Root"), has_asked=True)

    result = work(ctx)

    assert (result["total"], result["skipped"]) == (2, 2)
    assert {b["message"] for b in result["batches"]} == {message}
    assert (opener.opened, ctx.effects) == ([], [])
    assert not BatchApproval.objects.exists()


@pytest.fixture
def of_this_process() -> Iterator[TaskType]:
    """The type as it is, but for its process: a browser of paper cannot follow it there."""
    made = task_types.add(replace(approve_batches, name="on.paper", queue="default"))
    yield made
    task_types.remove([made.name])


def carried(run_id: UUID) -> Run:
    async_to_sync(run_carry)(run_id)
    return Run.objects.get(pk=run_id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.req("TQ-46")
def test_a_confirmed_task_approves_and_the_audit_says_who_confirmed(
    ada: User, of_this_process: TaskType, paper: PaperSite
) -> None:
    params = of_this_process.params_of({"batch_ids": [1], "auto_approve": True})
    new = NewRun(
        run_id=uuid7(),
        kind="task",
        owner_id=ada.pk,
        session_id=None,
        subject="on.paper",
        input={"params": params, "settings": {}},
        max_attempts=4,
    )
    run_start(new)
    paused = carried(new.run_id)
    assert (paused.status, paper.sign_ins) == ("paused", 0)

    task_confirm(task=paused, is_approved=True, by="key:7")
    assert carried(new.run_id).status == "succeeded"

    assert paper.approvals == ["1"]
    (row,) = BatchApproval.objects.all()
    assert (row.outcome, row.principal, row.confirmed_by) == ("approved", f"user:{ada.pk}", "key:7")
