"""A task's way through its batches: one outcome for each, in the order given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from orchestration.models import Site
from orchestration.services.batch_approvals import batch_approval_begin, batch_approval_settle
from orchestration.services.batch_leases import batch_lease_release, batch_lease_take
from orchestration.targets.batch_evidence import Evidence, Pictures
from orchestration.targets.batch_pages import BatchPages, LoginFailed, SessionLost
from taskmapr.core.browser import BrowserFault, BrowserUnavailable, SiteUnreachable
from taskmapr.core.errors import TaskFailed
from taskmapr.core.task_types import Permanent, TaskContext, TaskInterrupted
from taskmapr.core.timestamps import timestamp_of

Kind = Literal[
    "approved",
    "already_approved",
    "would_approve",
    "not_found",
    "not_approvable",
    "failed",
    "skipped",
]
KINDS: Final[tuple[Kind, ...]] = Kind.__args__  # type: ignore[attr-defined]
#: Seconds that a person has to confirm a task where the site asks for it.
CONFIRM_S: Final = 3600.0
_UNCONFIRMED: Final = {"denied": "refused by {by}", "expired": "nobody confirmed it in time"}
_GOOD: Final = {"approved", "already_approved", "would_approve"}
#: A lease outlasts the time of its task by so much: that is how long ending it may take.
_LEASE_MORE: Final = timedelta(seconds=60)

BatchId = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for."""

    batch_ids: Sequence[BatchId]
    auto_approve: bool
    stop_on_error: bool
    screenshots: Pictures


@dataclass(slots=True)
class _Try:
    """One batch while it is worked on."""

    batch_id: BatchId
    kind: Kind = "failed"
    message: str = ""
    screenshot: str | None = None
    #: Row of the audit, from when the button may have been pressed.
    approval_id: int | None = None
    begun_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun: float = field(default_factory=time.monotonic)

    def outcome(self) -> dict[str, Any]:
        return {
            "batch_id": self.batch_id,
            "outcome": self.kind,
            "message": self.message,
            "screenshot": self.screenshot,
            "started_at": timestamp_of(self.begun_at),
            "duration_ms": round((time.monotonic() - self.begun) * 1000),
        }


class BatchWork:
    """Of one execution. `result` is what it has come to so far."""

    def __init__(self, site: Site, wishes: Wishes, ctx: TaskContext, evidence: Evidence) -> None:
        self._site, self._wishes, self._ctx, self._evidence = site, wishes, ctx, evidence
        self._outcomes: list[dict[str, Any]] = []
        self._has_begun_effect = False
        self._confirmed_by = ""
        self._run_id = UUID(ctx.task_id)

    def result(self) -> dict[str, Any]:
        kinds = [outcome["outcome"] for outcome in self._outcomes]
        return {
            "site": self._site.name,
            "auto_approve": self._wishes.auto_approve,
            "total": len(self._outcomes),
            **{str(kind): kinds.count(kind) for kind in KINDS},
            "batches": list(self._outcomes),
        }

    def is_confirmed(self) -> bool:
        """Whether to go on where the site wants a person's word first. If not, every batch is
        skipped. Raises TaskWaits while nobody has answered."""
        # Who asked once hears the answer, whatever was said about the site meanwhile.
        is_asked = self._site.require_confirmation or self._ctx.has_asked
        if not (is_asked and self._wishes.auto_approve):
            return True
        self._ctx.partial(self._partial())
        ids = list(self._wishes.batch_ids)
        said = self._ctx.confirmation(
            f"May {len(ids)} batches be approved at {self._site.name}?",
            {"site": self._site.name, "batch_ids": ids},
            wait_s=CONFIRM_S,
        )
        if said.decision == "approved":
            self._ctx.log("info", f"confirmed by {said.by}")
            self._confirmed_by = said.by
            return True
        why = _UNCONFIRMED[said.decision].format(by=said.by)
        self._ctx.log("warning", f"nothing is approved: {why}")
        self._give_up(why)
        return False

    def perform(self, pages: BatchPages) -> dict[str, Any]:
        """Every batch has an outcome, whatever this raises: TaskFailed with the codes of a browser,
        `login_failed` or `batches_failed`; TaskInterrupted."""
        try:
            self._sign_in(pages)
            self._each(pages)
        except TaskInterrupted:
            self._evidence.stopped(pages.browser)
            self._give_up("not tried: the task was stopped")
            raise
        except BrowserFault as fault:
            self._give_up(f"not tried: {fault.code}")
            raise self._failure(fault) from None
        except TaskFailed as error:
            self._give_up(f"not tried: {error.code}")
            raise
        return self.result()

    def _sign_in(self, pages: BatchPages) -> None:
        try:
            pages.sign_in()
        except BrowserFault as fault:
            self._evidence.fault(pages.browser, "login")
            self._ctx.log("error", f"{fault.code}: {fault}")
            raise
        self._ctx.log("info", f"signed in at {self._site.name}")
        self._evidence.step(pages.browser, "login")

    def _failure(self, fault: BrowserFault) -> TaskFailed:
        is_retryable = isinstance(fault, SiteUnreachable) and not self._has_begun_effect
        return TaskFailed(fault.code, str(fault), retryable=is_retryable)

    def _each(self, pages: BatchPages) -> None:
        ids, seen = self._wishes.batch_ids, set[str]()
        for number, batch_id in enumerate(ids):
            self._ctx.check_cancelled()
            self._ctx.progress(100 * number / len(ids), f"batch {batch_id}")
            attempt = _Try(batch_id)
            try:
                self._one(pages, attempt, is_repeated=str(batch_id) in seen)
            finally:
                self._note(attempt)
            seen.add(str(batch_id))
            if attempt.kind == "failed" and self._wishes.stop_on_error:
                raise Permanent("batches_failed", f"Batch {batch_id} failed: {attempt.message}")
        self._ctx.progress(100, "done")
        if all(outcome["outcome"] == "failed" for outcome in self._outcomes):
            raise Permanent("batches_failed", f"All of {len(ids)} batches failed.")

    def _note(self, attempt: _Try) -> None:
        level: Literal["info", "warning"] = "warning" if attempt.kind == "failed" else "info"
        self._ctx.log(level, f"batch {attempt.batch_id}: {attempt.kind}, {attempt.message}")
        self._outcomes.append(attempt.outcome())
        self._ctx.partial(self._partial())

    def _partial(self) -> dict[str, Any]:
        """Counts add up to all batches, also while some are still to come: those are skipped
        should nothing else become of them."""
        done = list(self._outcomes)
        self._outcomes += [self._skipped(batch_id, "not tried yet") for batch_id in self._rest]
        try:
            return self.result()
        finally:
            self._outcomes = done

    @property
    def _rest(self) -> Sequence[BatchId]:
        return self._wishes.batch_ids[len(self._outcomes) :]

    def _give_up(self, why: str) -> None:
        self._outcomes += [self._skipped(batch_id, why) for batch_id in self._rest]
        self._ctx.partial(self.result())

    def _skipped(self, batch_id: BatchId, why: str) -> dict[str, Any]:
        return _Try(batch_id, kind="skipped", message=why).outcome()

    # One batch -----------------------------------------------------------------------------------

    def _one(self, pages: BatchPages, attempt: _Try, *, is_repeated: bool) -> None:
        batch_id = str(attempt.batch_id)
        if is_repeated:
            attempt.kind, attempt.message = "skipped", "given twice"
        elif not self._wishes.auto_approve:
            # Who only looks is in nobody's way.
            self._look(pages, attempt)
        elif not self._lease(batch_id):
            attempt.kind, attempt.message = "skipped", "in progress"
        else:
            try:
                self._look(pages, attempt)
            finally:
                batch_lease_release(site=self._site.name, batch_id=batch_id, run_id=self._run_id)

    def _lease(self, batch_id: str) -> bool:
        until = self._ctx.deadline + _LEASE_MORE
        return batch_lease_take(
            site=self._site.name, batch_id=batch_id, run_id=self._run_id, until=until
        )

    def _look(self, pages: BatchPages, attempt: _Try) -> None:
        try:
            self._handle_twice(pages, attempt)
        except TaskInterrupted:
            attempt.message = "stopped before the page said what became of it"
            if attempt.approval_id is None:
                attempt.kind, attempt.message = "skipped", "stopped before it was approved"
            raise
        except BrowserFault as fault:
            attempt.message = self._evidence.told(fault)
            attempt.screenshot = self._evidence.fault(pages.browser, f"batch-{attempt.batch_id}")
            is_lost = isinstance(fault, BrowserUnavailable | LoginFailed)
            if is_lost or (isinstance(fault, SiteUnreachable) and not self._has_begun_effect):
                raise
        else:
            is_good = attempt.kind in _GOOD
            attempt.screenshot = self._evidence.batch(pages.browser, attempt.batch_id, is_good)
        finally:
            self._settle(attempt)

    def _handle_twice(self, pages: BatchPages, attempt: _Try) -> None:
        """A session that was lost is begun anew once."""
        try:
            self._handle(pages, attempt)
        except SessionLost:
            self._ctx.log("warning", f"batch {attempt.batch_id}: session_lost, signing in again")
            pages.sign_in()
            self._handle(pages, attempt)

    def _handle(self, pages: BatchPages, attempt: _Try) -> None:
        batch_id = str(attempt.batch_id)
        if not pages.find(batch_id):
            attempt.kind, attempt.message = "not_found", f"no row for {batch_id}"
            return
        standing = pages.open_batch(batch_id)
        attempt.message = f"state {pages.state_word()}"
        if standing == "pending" and attempt.approval_id is not None:
            attempt.message = "the session was lost while it was being approved; it is not"
        elif standing == "pending" and self._wishes.auto_approve:
            self._approve(pages, attempt)
        elif standing == "approved" and attempt.approval_id is not None:
            attempt.kind = "approved"
        else:
            kinds: dict[str, Kind] = {"pending": "would_approve", "approved": "already_approved"}
            attempt.kind = kinds.get(standing, "not_approvable")

    def _approve(self, pages: BatchPages, attempt: _Try) -> None:
        pages.press_approve()
        self._ctx.check_cancelled()
        if not self._has_begun_effect:
            self._ctx.effect_begin(f"approving batches at {self._site.name}")
            self._has_begun_effect = True
        attempt.approval_id = batch_approval_begin(
            site=self._site.name,
            batch_id=str(attempt.batch_id),
            run_id=self._run_id,
            confirmed_by=self._confirmed_by,
        )
        pages.confirm()
        is_approved = pages.wait_for_approval()
        attempt.kind = "approved" if is_approved else "failed"
        attempt.message = f"state {pages.state_word()}"
        if not is_approved:
            attempt.message = f"it was approved, but the page says: {pages.state_word()}"

    def _settle(self, attempt: _Try) -> None:
        if attempt.approval_id is not None:
            batch_approval_settle(
                approval_id=attempt.approval_id,
                is_approved=attempt.kind == "approved",
                screenshot=attempt.screenshot or "",
            )
