"""Kinds of runs: what differs between a chat turn, a task and an intent, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from taskmapr.core.errors import TimedOut, TimeLimit
from taskmapr.core.jobs import QUEUE_DEFAULT, QUEUE_RUNS_PREFIX

#: What recovery does with a run whose worker was lost.
#: `resume`: another worker goes on after the last finished step.
#: `resume_unless_output`: only when the reader has seen no text; otherwise it ends as worker_lost.
WhenLost = Literal["resume", "resume_unless_output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind:
    """One row of the table of run kinds."""

    name: str
    #: Dotted path `module:name` of the engine, imported by workers only.
    engine: str
    when_lost: WhenLost
    #: True: content fields are sealed with the owner's data key before they leave the writer.
    sealed: bool
    #: Hours for which content is kept in Postgres after the run ended; None: as the settings say.
    content_retention_h: int | None
    #: True: the run is cancelled when nobody reads its stream for the grace period.
    needs_reader: bool = False
    #: Times a lost worker may be replaced before the run ends as worker_lost.
    max_attempts: int = 3
    #: Where its runs wait, unless a run names another queue; empty: one of their own.
    default_queue: str = ""
    #: What is said of runs whose time is over.
    time_over: type[TimedOut] = TimedOut
    #: Dotted path of a module that counts runs under way, in functions of several claims: `admit`
    #: returns those that may begin and puts the others back, `renew` holds on to their places,
    #: `leave` gives them back. Empty: nothing is counted.
    places: str = ""

    @property
    def queue(self) -> str:
        return self.default_queue or QUEUE_RUNS_PREFIX + self.name.split(".")[0]


_KINDS: Final[dict[str, RunKind]] = {}


def run_kind_add(kind: RunKind) -> RunKind:
    """Register a kind. A name is given once."""
    if kind.name in _KINDS:
        raise ValueError(f"run kind {kind.name} is registered twice")
    _KINDS[kind.name] = kind
    return kind


def run_kind(name: str) -> RunKind:
    """Raises KeyError for an unknown name."""
    return _KINDS[name]


def run_kinds() -> list[RunKind]:
    return list(_KINDS.values())


OVERLAY: Final = run_kind_add(
    RunKind(
        name="overlay",
        engine="orchestration.engines.assistant:AssistantEngine",
        when_lost="resume_unless_output",
        sealed=False,
        content_retention_h=None,
        needs_reader=True,
    )
)

INTENT: Final = run_kind_add(
    RunKind(
        name="intent",
        engine="orchestration.engines.intents:IntentEngine",
        when_lost="resume",
        # What is remembered, asked and found stands in inputs and results.
        sealed=True,
        content_retention_h=7 * 24,
        default_queue="agent",
    )
)

TASK: Final = run_kind_add(
    RunKind(
        name="task",
        engine="orchestration.engines.queue_tasks:TaskEngine",
        when_lost="resume",
        sealed=False,
        content_retention_h=30 * 24,
        default_queue=QUEUE_DEFAULT,
        time_over=TimeLimit,
        places="orchestration.services.task_slots",
    )
)
