"""`approve_batches` on a site of paper: outcomes, counts, codes, evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from orchestration.models import BatchApproval, BatchLease, Run, Site
from orchestration.services import expiring_marks
from orchestration.services.batch_leases import batch_lease_take, site_place_take
from orchestration.task_types.approve_batches import approve_batches, check_site
from taskmapr.core import wired
from taskmapr.core.browser import (
    BrowserUnavailable,
    ElementTimeout,
    SiteUnreachable,
    UnexpectedPage,
)
from taskmapr.core.errors import InvalidInput, TaskFailed
from taskmapr.core.task_types import TaskInterrupted, task_types
from taskmapr.foundation.telemetry.metrics import figures
from taskmapr.settings.browser import DEMO_CREDENTIALS, EscSettings
from tests.browser.context import RecordingContext
from tests.browser.paper import Opener, PaperSite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url", "esc")]

MakeContext = Callable[..., RecordingContext]


@pytest.fixture
def esc(settings: Any) -> None:
    settings.ESC = EscSettings(
        base_url="https://esc.example.org/",
        username="ann",
        password="right",
        has_demo=False,
        demo_credentials=("", ""),
    )


@pytest.fixture
def paper() -> PaperSite:
    states = {str(n): "Pending" for n in range(1, 11)}
    return PaperSite({**states, "11": "Approved", "16": "Locked"})


@pytest.fixture(autouse=True)
def opener(paper: PaperSite) -> Iterator[Opener]:
    real, opener = wired.ports(), Opener(paper)
    wired.wire(replace(real, browser=opener))
    yield opener
    wired.wire(real)


@pytest.fixture
def ctx(context: MakeContext) -> RecordingContext:
    return context()


def work(ctx: RecordingContext, *batch_ids: int | str, **params: Any) -> Any:
    given = task_types.get("approve_batches").params_of({"batch_ids": list(batch_ids), **params})
    return approve_batches.handler(given, ctx)


def outcomes(result: dict[str, Any]) -> list[str]:
    return [batch["outcome"] for batch in result["batches"]]


def failed(ctx: RecordingContext, code: str, *batch_ids: int, **params: Any) -> TaskFailed:
    with pytest.raises(TaskFailed) as error:
        work(ctx, *batch_ids, **params)
    assert error.value.code == code
    return error.value


# Outcomes ----------------------------------------------------------------------------------------


@pytest.mark.req("TQ-28")
def test_only_looks_unless_it_is_told_to_approve(ctx: RecordingContext, paper: PaperSite) -> None:
    result = work(ctx, 1, 11)

    assert outcomes(result) == ["would_approve", "already_approved"]
    assert (paper.approvals, ctx.effects) == ([], [])
    assert not BatchApproval.objects.exists()


@pytest.mark.req("TQ-29")
def test_every_batch_has_an_outcome_in_the_given_order(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.faults["8"] = UnexpectedPage("The site answered 500.")

    result = work(ctx, 2, 99, "1", 16, 11, 8, auto_approve=True)

    assert [b["batch_id"] for b in result["batches"]] == [2, 99, "1", 16, 11, 8]
    assert outcomes(result) == [
        "approved",
        "not_found",
        "approved",
        "not_approvable",
        "already_approved",
        "failed",
    ]
    counts = {k: v for k, v in result.items() if k not in ("site", "batches", "auto_approve")}
    assert counts.pop("total") == 6 == sum(counts.values())
    assert (counts["approved"], counts["failed"], counts["would_approve"]) == (2, 1, 0)
    assert [b["message"] for b in result["batches"]] == [
        "state Approved",
        "no row for 99",
        "state Approved",
        "state Locked",
        "state Approved",
        "unexpected_page: The site answered 500.",
    ]
    assert paper.approvals == ["2", "1"]
    assert set(result["batches"][0]) == {
        "batch_id",
        "outcome",
        "message",
        "screenshot",
        "started_at",
        "duration_ms",
    }


@pytest.mark.req("TQ-29")
def test_partial_results_follow_each_batch_and_add_up(ctx: RecordingContext) -> None:
    result = work(ctx, 1, 2, 99, auto_approve=True)

    assert [outcomes(partial) for partial in ctx.partials] == [
        ["approved", "skipped", "skipped"],
        ["approved", "approved", "skipped"],
        ["approved", "approved", "not_found"],
    ]
    assert all(partial["total"] == 3 for partial in ctx.partials)
    assert ctx.partials[-1] == result


@pytest.mark.req("TQ-29")
def test_fails_when_all_failed(ctx: RecordingContext, paper: PaperSite) -> None:
    paper.faults |= {"1": ElementTimeout("x"), "2": ElementTimeout("x")}

    failed(ctx, "batches_failed", 1, 2)

    assert outcomes(ctx.partials[-1]) == ["failed", "failed"]


@pytest.mark.req("TQ-29")
def test_stops_at_the_first_failure_if_it_is_told_to(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.faults["2"] = ElementTimeout("x")

    failed(ctx, "batches_failed", 1, 2, 3, auto_approve=True, stop_on_error=True)

    assert outcomes(ctx.partials[-1]) == ["approved", "failed", "skipped"]
    assert paper.approvals == ["1"]


@pytest.mark.req("TQ-29")
def test_an_approval_that_the_page_does_not_show_is_a_failure_and_not_repeated(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.stubborn.add("1")

    result = work(ctx, 1, 11, auto_approve=True)

    assert outcomes(result) == ["failed", "already_approved"]
    assert paper.approvals == ["1"]
    assert BatchApproval.objects.get().outcome == "unknown"


def test_one_batch_given_in_two_spellings_is_handled_once(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    assert outcomes(work(ctx, 1, "1", auto_approve=True)) == ["approved", "skipped"]
    assert paper.approvals == ["1"]


@pytest.mark.req("TQ-28")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"batch_ids": []},
        {"batch_ids": [1, 1]},
        {"batch_ids": list(range(201))},
        {"batch_ids": [1.5]},
        {"batch_ids": [True]},
        {"batch_ids": [" "]},
        {"batch_ids": ["a\n"]},
        {"batch_ids": [1], "password": "x"},
        {"batch_ids": [1], "screenshots": "some"},
    ],
)
def test_params_are_checked(params: dict[str, Any]) -> None:
    task_type = task_types.get("approve_batches")
    assert task_type is not None

    with pytest.raises(InvalidInput):
        task_type.params_of(params)


@pytest.mark.req("TQ-15", "TQ-16", "TQ-28")
def test_the_type_is_dangerous_and_not_repeated() -> None:
    task_type = task_types.get("approve_batches")
    assert task_type is not None

    assert (task_type.queue, task_type.danger, task_type.timeout_s) == (
        "browser",
        "dangerous",
        1800,
    )
    assert not task_type.is_idempotent
    assert task_type.params_of({"batch_ids": [1]}) == {
        "batch_ids": [1],
        "auto_approve": False,
        "site": "esc",
        "stop_on_error": False,
        "screenshots": "all",
    }


# What goes wrong ---------------------------------------------------------------------------------


@pytest.mark.req("TQ-30")
def test_a_refused_password_is_not_tried_again(ctx: RecordingContext, paper: PaperSite) -> None:
    paper.password = "another"

    error = failed(ctx, "login_failed", 1)

    assert not error.retryable
    assert paper.sign_ins == 1
    assert ctx.pictures["login-error.png"][1] == "error"
    source, is_private = ctx.files["login-page.html"]
    assert is_private
    assert b"right" not in source
    assert "right" not in str(ctx.lines + ctx.partials)


@pytest.mark.req("TQ-30")
def test_a_site_that_is_away_is_tried_again_before_the_first_approval(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.is_away = True
    assert failed(ctx, "site_unreachable", 1, auto_approve=True).retryable

    paper.is_away, paper.faults["2"] = False, SiteUnreachable("away")
    assert failed(ctx, "site_unreachable", 99, 2, 3, auto_approve=True).retryable
    assert outcomes(ctx.partials[-1]) == ["not_found", "failed", "skipped"]


@pytest.mark.req("TQ-30")
def test_a_site_that_goes_away_after_an_approval_is_a_failed_batch(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.faults["2"] = SiteUnreachable("away")

    assert outcomes(work(ctx, 1, 2, 3, auto_approve=True)) == ["approved", "failed", "approved"]
    assert len(ctx.effects) == 1


@pytest.mark.req("TQ-30", "TQ-32", "TQ-S10")
def test_without_a_browser_it_fails_at_once(ctx: RecordingContext, opener: Opener) -> None:
    opener.fault = BrowserUnavailable("There is no chromium.")

    assert not failed(ctx, "browser_unavailable", 1).retryable


@pytest.mark.req("TQ-30")
def test_a_browser_that_dies_ends_the_task(ctx: RecordingContext, paper: PaperSite) -> None:
    paper.faults["2"] = BrowserUnavailable("gone")

    failed(ctx, "browser_unavailable", 1, 2, 3, auto_approve=True)

    assert outcomes(ctx.partials[-1]) == ["approved", "failed", "skipped"]


@pytest.mark.req("TQ-30")
def test_selectors_that_fit_nothing_are_told(ctx: RecordingContext) -> None:
    Site.objects.create(name="esc", username_field="#nobody")

    failed(ctx, "element_timeout", 1)

    assert "login-error.png" in ctx.pictures


@pytest.mark.req("TQ-30")
def test_a_lost_session_is_begun_anew_once(ctx: RecordingContext, paper: PaperSite) -> None:
    paper.asks_again |= {"2": 1, "3": 2}

    result = work(ctx, 1, 2, 3, 4, auto_approve=True)

    assert outcomes(result) == ["approved", "approved", "failed", "approved"]
    assert result["batches"][2]["message"].startswith("session_lost")
    assert paper.approvals == ["1", "2", "4"]


@pytest.mark.req("TQ-30")
def test_a_session_lost_while_approving_is_looked_into_and_not_repeated(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.ends_session |= {"1", "2"}
    paper.stubborn.add("2")

    result = work(ctx, 1, 2, auto_approve=True)

    assert outcomes(result) == ["approved", "failed"]
    assert paper.approvals == ["1", "2"]


@pytest.mark.req("TQ-31")
def test_without_credentials_no_browser_is_opened(
    ctx: RecordingContext, settings: Any, opener: Opener
) -> None:
    settings.ESC = replace(settings.ESC, password="")
    failed(ctx, "credentials_missing", 1)

    Site.objects.create(name="esc", username_secret="esc.user", password_secret="esc.password")
    failed(ctx, "credentials_missing", 1)
    assert not opener.opened


@pytest.mark.req("TQ-31")
def test_credentials_come_from_the_secret_store(ctx: RecordingContext, opener: Opener) -> None:
    for name, value in (("o.user", "bob"), ("o.password", "right")):
        secret_save(secret=Secret(name=name, value=value), by="root")
    Site.objects.create(
        name="office",
        base_url="https://office.example.org",
        username_secret="o.user",
        password_secret="o.password",
        allowed_hosts=["sso.example.org"],
    )

    work(ctx, 1, site="office")

    (browser,) = opener.opened
    assert browser.typed["#username"] == "bob"
    assert browser.secrets == {"#password"}
    assert browser.request.allowed_hosts == ("office.example.org", "sso.example.org")
    assert browser.is_closed


@pytest.mark.req("TQ-30", "TQ-31")
def test_credentials_of_the_environment_are_in_no_word_of_the_task(
    ctx: RecordingContext, paper: PaperSite
) -> None:
    paper.states["1"] = "Locked for right"
    paper.faults["2"] = ElementTimeout("it says: right")

    result = work(ctx, 1, 2)

    assert ctx.hidden == ["ann", "right"]
    assert [batch["message"] for batch in result["batches"]] == [
        "state Locked for [redacted]",
        "element_timeout: it says: [redacted]",
    ]


def test_what_the_demo_site_tells_everybody_is_no_secret(
    ctx: RecordingContext, paper: PaperSite, settings: Any
) -> None:
    name, paper.password = DEMO_CREDENTIALS
    settings.ESC = replace(settings.ESC, username=name, password=paper.password)

    work(ctx, 1)

    assert ctx.hidden == []


def test_unknown_and_disabled_sites_are_told(ctx: RecordingContext) -> None:
    Site.objects.create(name="off", base_url="https://o.example.org", is_enabled=False)

    for name in ("nowhere", "off"):
        failed(ctx, "unknown_site", 1, site=name)


# Evidence ----------------------------------------------------------------------------------------


@pytest.mark.req("TQ-28", "TQ-30")
@pytest.mark.parametrize(
    ("wanted", "pictures"),
    [
        ("all", {"login.png", "batch-1-success.png", "batch-99-error.png", "batch-2-error.png"}),
        ("errors", {"batch-99-error.png", "batch-2-error.png"}),
        ("none", set()),
    ],
)
def test_keeps_the_pictures_that_are_wanted(
    ctx: RecordingContext, paper: PaperSite, wanted: str, pictures: set[str]
) -> None:
    paper.faults["2"] = ElementTimeout("x")

    result = work(ctx, 1, 99, 2, auto_approve=True, screenshots=wanted)

    assert set(ctx.pictures) == pictures
    named = {batch["screenshot"] for batch in result["batches"]} - {None}
    assert named == pictures - {"login.png"}
    assert set(ctx.files) == {"batch-2-page.html"}


def test_pictures_of_odd_ids_and_later_attempts_have_names_of_their_own(
    context: MakeContext, paper: PaperSite
) -> None:
    ctx = context(attempt=2)

    result = work(ctx, "a/b", "a.b")

    assert [batch["screenshot"] for batch in result["batches"]] == [
        "attempt-2-batch-a_b-error.png",
        "attempt-2-batch-a_b-error-2.png",
    ]
    assert set(ctx.pictures) >= {"attempt-2-batch-a_b-error.png", "attempt-2-batch-a_b-error-2.png"}


@pytest.mark.req("TQ-46")
def test_every_approval_is_in_the_audit(ctx: RecordingContext, paper: PaperSite) -> None:
    seen: list[tuple[str, str]] = []
    paper.before_confirm = lambda: seen.extend(
        BatchApproval.objects.values_list("batch_id", "outcome")
    )

    work(ctx, 1, auto_approve=True)

    assert seen == [("1", "begun")]
    row = BatchApproval.objects.get()
    run = Run.objects.get(pk=ctx.task_id)
    assert (row.site, row.batch_id, row.outcome) == ("esc", "1", "approved")
    assert (row.principal, row.user_id) == (f"user:{run.owner_id}", run.owner_id)
    assert (str(row.run_id), row.screenshot) == (ctx.task_id, "batch-1-success.png")


# Stopping ----------------------------------------------------------------------------------------


@pytest.mark.req("TQ-16", "TQ-17")
def test_stops_between_batches_with_a_last_picture(
    context: MakeContext, paper: PaperSite, opener: Opener
) -> None:
    ctx = context(why="time_limit", stop_after=12)
    with pytest.raises(TaskInterrupted):
        work(ctx, *range(1, 11), auto_approve=True)

    assert "stopped.png" in ctx.pictures
    done = outcomes(ctx.partials[-1])
    assert len(done) == 10
    assert set(done) == {"approved", "skipped"}
    assert done.count("approved") == len(paper.approvals) >= 1
    assert opener.opened[0].is_closed
    assert not BatchLease.objects.exists()


@pytest.mark.req("TQ-17")
def test_a_batch_that_was_being_approved_is_in_doubt(
    context: MakeContext, paper: PaperSite
) -> None:
    ctx = context()

    def stop() -> None:
        ctx.stop_after = 0

    paper.before_confirm = stop
    with pytest.raises(TaskInterrupted):
        work(ctx, 1, 2, auto_approve=True)

    assert outcomes(ctx.partials[-1]) == ["failed", "skipped"]
    assert BatchApproval.objects.get().outcome == "unknown"


# Others at work ----------------------------------------------------------------------------------


@pytest.mark.req("TQ-47")
def test_a_batch_of_another_task_is_skipped(context: MakeContext, paper: PaperSite) -> None:
    other, ctx = context(), context()
    assert batch_lease_take(
        site="esc", batch_id="1", run_id=Run.objects.get(pk=other.task_id).pk, until=other.deadline
    )

    result = work(ctx, 1, 2, auto_approve=True)

    assert outcomes(result) == ["skipped", "approved"]
    assert result["batches"][0]["message"] == "in progress"
    assert paper.approvals == ["2"]
    assert [lease.batch_id for lease in BatchLease.objects.all()] == ["1"]


@pytest.mark.req("TQ-48")
def test_waits_while_the_account_is_signed_in_elsewhere(
    context: MakeContext, opener: Opener
) -> None:
    other, ctx = context(), context(stop_after=1)
    place = {"site": "esc", "account": "ann", "until": other.deadline, "places": 1}
    assert site_place_take(run_id=Run.objects.get(pk=other.task_id).pk, **place)

    with pytest.raises(TaskInterrupted):
        work(ctx, 1)
    assert ctx.progressed == [(0, "waiting for another task at esc")]
    assert not opener.opened

    Site.objects.create(name="esc", browsers=2)
    assert outcomes(work(context(), 1)) == ["would_approve"]


@pytest.mark.req("TQ-48")
def test_of_two_that_find_a_place_left_behind_one_gets_it(
    context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, first, second = context(), context(), context()
    place = {"site": "esc", "account": "ann", "until": gone.deadline, "places": 1}
    assert site_place_take(run_id=UUID(gone.task_id), **place)
    taken: list[Any] = []

    def is_open(run_id: UUID) -> bool:
        if not taken:
            taken.append(None)
            # Another one looks at the same moment, and is faster.
            taken.append(site_place_take(run_id=UUID(first.task_id), **place))
        return False

    monkeypatch.setattr(expiring_marks, "run_is_open", is_open)

    assert site_place_take(run_id=UUID(second.task_id), **place) is None
    assert taken[1]


# Checking a site ---------------------------------------------------------------------------------


@pytest.mark.req("TQ-31")
def test_a_check_signs_in_and_looks(ctx: RecordingContext, paper: PaperSite) -> None:
    assert check_site.handler({"site": "esc"}, ctx) == {
        "site": "esc",
        "signed_in": True,
        "list_opened": True,
    }
    assert set(ctx.pictures) == {"login.png", "list.png"}
    paper.password = "another"
    with pytest.raises(TaskFailed) as error:
        check_site.handler({"site": "esc"}, ctx)
    assert error.value.code == "login_failed"


@pytest.mark.req("TQ-40")
def test_outcomes_are_counted_by_site(ctx: RecordingContext) -> None:
    def counted(outcome: str) -> float:
        name, labels = "taskmapr_batches_total", {"site": "esc", "outcome": outcome}
        return figures().registry.get_sample_value(name, labels) or 0

    before = counted("would_approve"), counted("not_found")

    approve_batches.on_result(work(ctx, 1, 2, 99))

    assert (counted("would_approve"), counted("not_found")) == (before[0] + 2, before[1] + 1)
