"""What a task asks a person, and what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from orchestration.execution.drive import HeldRun, Paused
from orchestration.models.approval import ApprovalAsks
from orchestration.services.effects import fingerprint_of
from orchestration.services.pausing import approval_open
from taskmapr.core.events import ApprovalRequested, Event
from taskmapr.core.timestamps import timestamp_of
from taskmapr.foundation.aio import in_database

#: The progress of a task that waits.
WAITING: Final = "waiting for confirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`args`: plain JSON without secrets, shown to whoever answers."""

    prompt: str
    args: Mapping[str, Any]
    wait_s: float

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.prompt, self.args)


async def asked(held: HeldRun, question: Question) -> Paused:
    """The question stands where all of them do; what is raised to leave the run until the
    answer."""
    approval = await in_database(
        partial(
            approval_open,
            run_id=held.run_id,
            asks=ApprovalAsks.APPROVAL,
            question={"prompt": question.prompt, "args": question.args},
            tool=held.claim.subject,
            fingerprint=question.fingerprint,
            wait=timedelta(seconds=question.wait_s),
        )
    )
    held.writer.append(
        ApprovalRequested(
            approval_id=str(approval.pk),
            asks="approval",
            expires_at=timestamp_of(approval.expires_at),
            fingerprint=question.fingerprint,
            tool=held.claim.subject,
            prompt=question.prompt,
            args=dict(question.args),
        )
    )
    return Paused(held.claim.subject)


def answers_in(events: Iterable[Event]) -> dict[str, tuple[str, str]]:
    """Fingerprint → (decision, who): what people said so far."""
    return {
        event.data["fingerprint"]: (event.data["decision"], event.data["by"])
        for event in events
        if event.kind == "approval.resolved" and event.data.get("fingerprint")
    }
