"""/admin/orchestration/run/<id>/change/: one run, and what operators do about it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orchestration.models import Command, Run
from orchestration.models.approval import ApprovalAsks
from orchestration.services.leases import Claim
from orchestration.services.pausing import approval_open, run_pause
from taskmapr.core import events as ev
from taskmapr.core.ids import uuid7
from tests.orchestration.logs import kinds, write


def page(run: Run | UUID) -> str:
    return f"/admin/orchestration/run/{getattr(run, 'pk', run)}/change/"


@pytest.fixture
def paused(start: Callable[..., Run], hold: Callable[[UUID], Claim]) -> Run:
    """A run that waits for leave to send a mail."""
    run = start()
    claim = hold(run.pk)
    approval = approval_open(
        run_id=run.pk,
        asks=ApprovalAsks.APPROVAL,
        tool="mail.send",
        question={"prompt": "Send it?", "args": {"to": "all"}},
    )
    asked = ev.ApprovalRequested(
        approval_id=str(approval.pk), asks="approval", expires_at="2027-01-01T00:00:00Z"
    )
    write(claim, asked, ev.RunPaused(approval_ids=[str(approval.pk)]))
    run_pause(run_id=run.pk, lease_token=claim.lease_token, last_seq=4)
    run.refresh_from_db()
    assert run.status == "paused"
    return run


@pytest.mark.req("OV-06")
def test_shows_facts_timeline_and_words_of_a_run(
    admin_client: Client,
    start: Callable[..., Run],
    hold: Callable[[UUID], Claim],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    run = start(prompt="Where is the spoon?")
    write(hold(run.pk), ev.TextDelta(text="In the "), ev.TextDelta(text="drawer."))

    with django_assert_max_num_queries(14):
        body = admin_client.get(page(run)).content.decode()

    assert "ada@example.org" in body
    assert 'data-status="running"' in body
    assert "attempt 1 on w1" in body
    assert "In the drawer." in body
    assert "Where is the spoon?" in body
    assert 'data-tail="' in body


@pytest.mark.parametrize("after", ["²", "x", "-1", "9" * 19])
def test_a_place_that_is_no_number_is_the_beginning(
    admin_client: Client, start: Callable[..., Run], after: str
) -> None:
    answer = admin_client.get(page(start()), {"after": after})

    assert (answer.status_code, answer.context["after"]) == (200, 0)


def test_follows_only_runs_that_are_still_open(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    assert "data-tail" not in admin_client.get(page(finished())).content.decode()


@pytest.mark.req("OV-06")
def test_never_shows_what_was_said_in_a_sealed_run(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    run = finished(
        is_sealed=True, input={"prompt": "private words"}, instructions="private instructions"
    )

    body = admin_client.get(page(run)).content.decode()

    assert "private" not in body
    assert "assistant words" not in body
    assert "(sealed)" in body


def test_says_when_contents_were_erased(admin_client: Client, finished: Callable[..., Run]) -> None:
    run = finished()
    Run.objects.filter(pk=run.pk).update(content_erased_at=run.created_at)

    assert "Contents erased" in admin_client.get(page(run)).content.decode()


def test_unknown_runs_are_not_found(admin_client: Client) -> None:
    assert admin_client.get(page(uuid7())).status_code == 404
    assert admin_client.get("/admin/orchestration/run/nonsense/change/").status_code == 404


@pytest.mark.req("OV-06")
def test_cancelling_ends_a_queued_run_and_is_audited(
    admin_client: Client, start: Callable[..., Run]
) -> None:
    run = start()

    answer = admin_client.post(f"/admin/orchestration/run/{run.pk}/cancel/")

    run.refresh_from_db()
    assert answer["Location"] == page(run)
    assert (run.status, run.reason) == ("cancelled", "cancelled_by_operator")
    assert LogEntry.objects.get().object_id == str(run.pk)


def test_cancelling_a_held_run_tells_its_worker_who_asked(
    admin_client: Client, admin_user, start: Callable[..., Run], hold: Callable[[UUID], Claim]
) -> None:
    run = start()
    hold(run.pk)

    admin_client.post(f"/admin/orchestration/run/{run.pk}/cancel/")

    assert Command.objects.get(run=run).by == admin_user.email


def test_cancelling_a_finished_run_changes_nothing_and_says_why(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    run = finished()

    body = admin_client.post(
        f"/admin/orchestration/run/{run.pk}/cancel/", follow=True
    ).content.decode()

    run.refresh_from_db()
    assert run.status == "succeeded"
    assert "final state" in body
    assert not LogEntry.objects.exists()


def test_looking_does_not_allow_cancelling(watcher: Client, start: Callable[..., Run]) -> None:
    run = start()

    body = watcher.get(page(run)).content.decode()
    refused = watcher.post(f"/admin/orchestration/run/{run.pk}/cancel/")

    run.refresh_from_db()
    assert "Cancel run" not in body
    assert refused.status_code == 403
    assert run.status == "queued"


def test_cancelling_needs_a_post(admin_client: Client, start: Callable[..., Run]) -> None:
    run = start()

    assert admin_client.get(f"/admin/orchestration/run/{run.pk}/cancel/").status_code == 403
    run.refresh_from_db()
    assert run.status == "queued"


def test_an_approval_shows_its_question_and_goes_on_when_answered(
    admin_client: Client, admin_user, paused: Run
) -> None:
    approval = paused.approvals.get()
    body = admin_client.get(page(paused)).content.decode()
    assert "Send it?" in body
    assert "Approve this call" in body

    admin_client.post(
        f"/admin/orchestration/run/{paused.pk}/approvals/{approval.pk}/", {"decision": "approved"}
    )

    approval.refresh_from_db()
    paused.refresh_from_db()
    assert (approval.status, approval.resolved_by) == ("approved", admin_user.email)
    assert paused.status == "queued"
    assert kinds(paused)[-2:] == ["approval.resolved", "run.resumed"]


def test_an_answer_that_does_not_fit_is_refused_with_its_reason(
    admin_client: Client, paused: Run
) -> None:
    approval = paused.approvals.get()

    body = admin_client.post(
        f"/admin/orchestration/run/{paused.pk}/approvals/{approval.pk}/",
        {"decision": "answered"},
        follow=True,
    ).content.decode()

    approval.refresh_from_db()
    assert approval.status == "open"
    assert "must be one of" in body


def test_an_approval_of_another_run_is_not_found(
    admin_client: Client, paused: Run, finished: Callable[..., Run]
) -> None:
    approval = paused.approvals.get()

    answer = admin_client.post(
        f"/admin/orchestration/run/{finished().pk}/approvals/{approval.pk}/",
        {"decision": "approved"},
    )

    approval.refresh_from_db()
    assert answer.status_code == 404
    assert approval.status == "open"


def test_figures_without_words_for_staff_who_may_not_read_them(
    supporter: Client, start: Callable[..., Run], hold: Callable[[UUID], Claim]
) -> None:
    run = start(prompt="Where is the spoon?")
    write(hold(run.pk), ev.TextDelta(text="In the drawer."))

    body = supporter.get(page(run)).content.decode()

    assert "spoon" not in body
    assert "drawer" not in body
    assert "(not yours to read)" in body
    assert "attempt 1 on w1" in body
