"""The event catalogue: what can be written into a run's log.

A run is its ordered log of events, numbered from 1 without gaps. Kinds are never renamed or reused:
a changed payload is a new kind or a new optional field. Each payload field is declared *content*
(what people and models said; sealed in kinds of runs that ask for it) or *metadata* (what operators
may always read). Metadata that may *quote* content is sealed with it, and other words stand in its
place. `docs/events.md` is generated from this file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast, dataclass_transform
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from taskmapr.core.errors import InvalidInput, error_meaning

_CONTENT: Final = "taskmapr.content"
_STAND_IN: Final = "taskmapr.stand_in"

#: The kinds whose neighbours may be joined into one event before they are numbered.
TEXT_DELTA: Final = "text.delta"
REASONING_DELTA: Final = "reasoning.delta"

FinalStatus = Literal["succeeded", "failed", "cancelled", "timed_out"]


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `data` is the payload as JSON values, with content fields in the clear."""

    run_id: UUID
    seq: int
    kind: str
    data: Mapping[str, Any]
    at: datetime


def content(
    *, default: Any = dataclasses.MISSING, default_factory: Any = dataclasses.MISSING
) -> Any:
    """Declare a payload field that carries what people or models said."""
    return dataclasses.field(
        default=default, default_factory=default_factory, metadata={_CONTENT: True}
    )


StandIn = Callable[[Mapping[str, Any]], Any]


def quoting(stand_in: StandIn) -> Any:
    """Declare a required metadata field that may quote content. Where that is sealed, so is this,
    and `stand_in` makes of the whole payload what everybody reads instead."""
    return dataclasses.field(metadata={_STAND_IN: stand_in})


@dataclass(frozen=True, slots=True)
class EventKind:
    """One row of the catalogue."""

    name: str
    payload: type
    content_fields: frozenset[str]
    #: Of each field that may quote content.
    stand_ins: Mapping[str, StandIn]
    meaning: str

    def parse(self, data: Mapping[str, Any]) -> Any:
        """The typed payload. Unknown members are ignored, so newer writers can add fields.

        Raises InvalidInput when a member is missing or has the wrong type.
        """
        known = {f.name for f in dataclasses.fields(self.payload)}
        try:
            return _adapter(self.payload).validate_python(
                {name: value for name, value in data.items() if name in known}
            )
        except ValidationError as error:
            raise InvalidInput.of(
                *((".".join(map(str, e["loc"])) or self.name, e["msg"]) for e in error.errors())
            ) from None


@cache
def _adapter(payload: type) -> TypeAdapter[Any]:
    return TypeAdapter(payload)


CATALOGUE: Final[dict[str, EventKind]] = {}
_BY_PAYLOAD: Final[dict[type, EventKind]] = {}

P = TypeVar("P")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(content, quoting))
def event_kind(name: str) -> Callable[[type[P]], type[P]]:
    """Make a frozen dataclass the payload of the kind `name`. A second use of a name is refused."""

    def register(cls: type[P]) -> type[P]:
        payload: Any = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        if name in CATALOGUE:
            raise ValueError(f"event kind {name} is declared twice")
        fields = dataclasses.fields(payload)
        kind = EventKind(
            name=name,
            payload=payload,
            content_fields=frozenset(f.name for f in fields if f.metadata.get(_CONTENT)),
            stand_ins={f.name: f.metadata[_STAND_IN] for f in fields if _STAND_IN in f.metadata},
            meaning=" ".join((cls.__doc__ or "").split()),
        )
        CATALOGUE[name] = _BY_PAYLOAD[payload] = kind
        return cast("type[P]", payload)

    return register


def kind_of(payload: object) -> EventKind:
    """The catalogue row of a payload object."""
    return _BY_PAYLOAD[type(payload)]


def data_of(payload: Any) -> dict[str, Any]:
    """The payload as JSON values; members that are None are left out."""
    return {
        f.name: value
        for f in dataclasses.fields(payload)
        if (value := getattr(payload, f.name)) is not None
    }


def is_required(member: dataclasses.Field[Any]) -> bool:
    """Whether a payload must have this member."""
    return member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING


# The life of a run --------------------------------------------------------------------------


@event_kind("run.created")
class RunCreated:
    """Somebody asked for this run. Always the first event."""

    run_kind: str
    model: str
    persistence: Literal["database", "memory"] = "database"
    session_id: str | None = None
    session_resumed: bool = False
    page: dict[str, Any] | None = content(default=None)
    dropped: int = 0
    warnings: list[str] | None = None
    #: What is to be done, for kinds that have a name for it: an intent, a type of task.
    subject: str | None = None
    #: How an intent is carried out, and by which rule.
    mode: str | None = None
    mode_reason: str | None = None


@event_kind("run.started")
class RunStarted:
    """A worker took the run's lease and began to work on it."""

    attempt: int
    worker: str


@event_kind("run.retrying")
class RunRetrying:
    """An attempt ended without a result and another one follows, `attempt` being its number.

    `reason`: a lost worker (`worker_lost`: the next one continues after the last finished step), or
    the code of the error that the attempt met. `error`: its message.
    """

    attempt: int
    reason: str
    delay_s: float | None = None
    error: str | None = content(default=None)


@event_kind("run.paused")
class RunPaused:
    """The run waits for a person; no worker holds it meanwhile."""

    approval_ids: list[str]


@event_kind("run.resumed")
class RunResumed:
    """Everything that the run waited for has been answered; it is queued again."""

    by: str


@event_kind("run.finished")
class RunFinished:
    """The run reached its final status. Always the last event, exactly once."""

    status: FinalStatus
    duration_ms: int
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int | None = None
    reason: str | None = None


@event_kind("error")
class ErrorRaised:
    """Why the run will end as failed or timed_out. The message is safe to show.

    `status`: of HTTP, when the code alone does not say it. `details`: as in a problem's body.
    """

    code: str
    message: str = quoting(lambda data: error_meaning(data["code"]))
    retryable: bool = False
    status: int | None = None
    details: dict[str, Any] | None = content(default=None)


@event_kind("metadata")
class MetadataCollected:
    """Totals of the run, written just before it finishes."""

    model: str
    processing_ms: int
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int | None = None
    first_output_ms: int | None = None
    warnings: list[str] | None = None


# What the model says -------------------------------------------------------------------------


@event_kind(TEXT_DELTA)
class TextDelta:
    """The next piece of the answer. The answer is the concatenation of all of them."""

    text: str = content()


@event_kind("reasoning.started")
class ReasoningStarted:
    """The model began to think aloud. At most one such block is open."""


@event_kind(REASONING_DELTA)
class ReasoningDelta:
    """The next piece of the open reasoning block."""

    text: str = content()


@event_kind("reasoning.completed")
class ReasoningCompleted:
    """The open reasoning block ended."""


@event_kind("model.responded")
class ModelResponded:
    """A model turn ended. `calls` lists the tool calls it asked for, in order.

    `calls` items: {call_id, name, arguments (JSON text as the model wrote it)}; `name` is the
    registry name. A run that is taken up again rebuilds the conversation from these events.
    """

    step: int
    model: str
    duration_ms: int
    finish_reason: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int | None = None
    calls: list[dict[str, Any]] = content(default_factory=list)


# What tools do -------------------------------------------------------------------------------


@event_kind("tool.started")
class ToolStarted:
    """A tool call begins. Every started call is completed, also when it fails."""

    call_id: str
    tool: str
    step: int = 0
    args: dict[str, Any] = content(default_factory=dict)


@event_kind("tool.completed")
class ToolCompleted:
    """A tool call ended. `replayed` means: answered from the receipt of an earlier attempt."""

    call_id: str
    tool: str
    ok: bool
    duration_ms: int
    replayed: bool = False
    result: Any = content(default=None)
    error: str | None = content(default=None)
    #: Of the call itself; null when it cost nothing. Models that it asked are not part of it.
    cost_usd_micros: int | None = None


@event_kind("tool.crashed")
class ToolCrashed:
    """A tool of this service raised what its author did not foresee. For staff alone: no vocabulary
    of clients tells of it. Before the call's `tool.completed`.

    `exception`: its class. `stack`: places in code from the outermost on, of what led to it as
    well, at most 16 KiB. `message`: what the exceptions say, which may quote people. Both are
    without what looks like a secret.
    """

    call_id: str
    tool: str
    exception: str
    stack: str
    message: str = content()


@event_kind("ui.actions")
class UiActions:
    """The page should do these things. `actions` items: {type, payload}."""

    actions: list[dict[str, Any]] = content()
    call_id: str | None = None


@event_kind("approval.requested")
class ApprovalRequested:
    """The run needs a person's word: leave for exactly one action, an answer, or a fact.

    `asks`: `approval` (may the tool call with this fingerprint run?), `question` (a free answer),
    `outcome` (an earlier attempt began this effect and its outcome is unknown: did it happen?).
    `of`: whom it asks. Absent: a person; `flow`: a workflow was given the work and answers later.
    `step`: {name, position, task_type, task_id} when it asks nobody: the end of this task answers.
    """

    approval_id: str
    asks: Literal["approval", "question", "outcome"]
    expires_at: str
    fingerprint: str | None = None
    call_id: str | None = None
    tool: str | None = None
    prompt: str | None = content(default=None)
    args: dict[str, Any] | None = content(default=None)
    of: Literal["flow"] | None = None
    step: dict[str, Any] | None = None


@event_kind("approval.resolved")
class ApprovalResolved:
    """A person answered, or the time was over (`expired`)."""

    approval_id: str
    decision: Literal["approved", "denied", "answered", "happened", "not_happened", "expired"]
    by: str
    fingerprint: str | None = None
    call_id: str | None = None
    answer: str | None = content(default=None)


@event_kind("command.received")
class CommandReceived:
    """Somebody outside told the running writer something that its engine handles."""

    command: str
    by: str
    data: dict[str, Any] = content(default_factory=dict)


@event_kind("effect.begun")
class EffectBegun:
    """The work is about to change the outside world. What is not safe to repeat is not repeated
    from here on."""

    what: str = content()


# What else is worth telling --------------------------------------------------------------------


@event_kind("progress")
class ProgressMade:
    """How far the work is, from 0 to 1."""

    fraction: float
    text: str | None = content(default=None)


@event_kind("log")
class LogWritten:
    """A line for whoever looks at the run."""

    level: Literal["debug", "info", "warning", "error"]
    text: str = content()


@event_kind("artifact")
class ArtifactStored:
    """The run produced a file.

    `role`: `private` ones are for staff alone. `label`: for screenshots, `success`, `error` or
    `step`. `sha256`: of the bytes, in hex. `width` and `height`: of pictures, in pixels.
    """

    artifact_id: str
    media_type: str
    size_bytes: int
    name: str = content()
    role: Literal["download", "screenshot", "private"] = "download"
    label: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None


@event_kind("result")
class ResultGiven:
    """What the run came to so far: any JSON value. The last one counts, also of runs that fail with
    part of their work done."""

    value: Any = content(default=None)
