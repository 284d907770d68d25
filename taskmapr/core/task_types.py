"""Types of tasks: what a queued task does, told by one decorator."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import jsonschema
from referencing import Registry

from taskmapr.core.errors import InvalidInput, TaskFailed
from taskmapr.core.tools import Danger

#: Where the work of a type is done: `browser` and `long` in processes of their own, the others on
#: the shared event loop (sync functions in threads).
TaskQueue = Literal["default", "agent", "browser", "long"]
#: Queues whose tasks get a process each.
OWN_PROCESS: Final = frozenset({"browser", "long"})
Source = Literal["builtin", "app", "entry_point", "file", "admin"]
LogLevel = Literal["debug", "info", "warning", "error"]
ScreenshotKind = Literal["success", "error", "step"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
MOST_RETRIES: Final = 20
#: One attempt takes a day at most.
TIMEOUT_MAX_S: Final = 86_400
ANY_OBJECT: Final[Mapping[str, Any]] = {"type": "object"}


class Retryable(Exception):
    """The attempt failed and another one may succeed, after at least `after_s` seconds if given."""

    def __init__(self, message: str = "", *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Permanent(TaskFailed):
    """The task failed for good: `Permanent("login_failed", "The site refused the password.")`."""

    def __init__(self, code: str, message: str, **kwargs: Any) -> None:
        super().__init__(code, message, retryable=False, **kwargs)


class TaskInterrupted(BaseException):
    """Raised by `check_cancelled`: the task was cancelled (`cancelled`) or its time is over
    (`time_limit`). A few seconds remain for a last screenshot; not to be swallowed."""

    def __init__(self, why: Literal["cancelled", "time_limit"]) -> None:
        super().__init__(why)
        self.why = why


class TaskWaits(BaseException):
    """Raised by `confirmation` when nobody has answered yet: the function is left, and executed
    anew when somebody has. Not to be swallowed."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person's word, or that none came in time."""

    decision: Literal["approved", "denied", "expired"]
    #: Who gave it.
    by: str


class TaskContext(Protocol):
    """What a task function may do beside computing. Methods can be called from any thread, return
    at once unless they say otherwise, and keep their order in the task's log.

    An async function calls those that block in a thread: `await asyncio.to_thread(ctx.secret, n)`.
    """

    @property
    def task_id(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    #: Patterns of the tools that its credential may call; None: all that its owner may.
    @property
    def intents(self) -> tuple[str, ...] | None: ...

    #: Number of this execution, from 1.
    @property
    def attempt(self) -> int: ...

    #: When the time of this execution is over (UTC).
    @property
    def deadline(self) -> datetime: ...

    def log(self, level: LogLevel, text: str) -> None:
        """A line for whoever follows the task."""

    def progress(self, percent: float, text: str = "") -> None:
        """How far the work is, 0 to 100."""

    def screenshot(self, name: str, data: bytes, kind: ScreenshotKind = "step") -> None:
        """Keep a PNG, JPEG or WebP. `name` is a file name; a taken one gets a number."""

    def artifact(
        self, name: str, data: bytes | Path, media_type: str, *, is_private: bool = False
    ) -> None:
        """Keep a file for download, or for staff alone. Blocks when it is given a path: the file
        may be removed afterwards. Raises Permanent(`file_not_kept`)."""

    def check_cancelled(self) -> None:
        """Raises TaskInterrupted when the task should stop. Call it between steps."""

    #: Whether an earlier execution asked for a confirmation.
    @property
    def has_asked(self) -> bool: ...

    def confirmation(self, prompt: str, args: Mapping[str, Any], *, wait_s: float) -> Confirmation:
        """What a person says to exactly this. Raises TaskWaits while nobody has said anything:
        the task pauses, holding neither worker nor process, until somebody does or `wait_s` seconds
        are over. Call it before anything that must not be done twice. Blocks."""

    def effect_begin(self, what: str) -> None:
        """Say that the outside world is about to be changed. Returns when that is stored: from then
        on a type that is not idempotent is not executed again. Blocks."""

    def partial(self, result: Any) -> None:
        """What the task has come to so far: its result, should it fail or be stopped."""

    def secret(self, name: str) -> str:
        """A secret from the store by name. Blocks. Raises Permanent(`credentials_missing`).

        Lines, progress, questions and errors that repeat it say `[redacted]` in its place."""

    def hide(self, secret: str) -> None:
        """The same for a secret that comes from elsewhere. Call it before anything else that knows
        the secret."""


@dataclass(frozen=True, kw_only=True)
class ModelPrompt:
    """What a model is asked."""

    text: str
    #: What it is told beside the usual.
    instructions: str = ""
    #: None: the usual one.
    model: str | None = None
    #: Names or patterns of what it may call; None: every tool that reads.
    tools: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """One step of a type that has others do its work."""

    name: str
    #: Name of the type of its task.
    task_type: str
    #: With `{{ … }}` where something is to be put in.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the steps behind it follow also when it failed.
    goes_on: bool = False


#: `(params, ctx) -> JSON`, sync or async.
TaskFunction = Callable[[dict[str, Any], TaskContext], Any]


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """A named kind of task. Limits given by who assigns a task lie within those of its type."""

    name: str
    handler: TaskFunction
    title: str = ""
    description: str = ""
    version: int = 1
    params_schema: Mapping[str, Any] = field(default_factory=lambda: ANY_OBJECT)
    example: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    danger: Danger = "read"
    queue: TaskQueue = "default"
    #: Seconds after which it is asked to stop; ten later it is stopped. Up to 24 hours.
    timeout_s: float = 300.0
    #: Executions after the first one.
    max_retries: int = 3
    #: False: never executed again once it has called `effect_begin`.
    is_idempotent: bool = True
    #: Tasks of this type that may be under way at once; 0: any number.
    concurrency: int = 0
    #: Scopes that a key must have.
    scopes: tuple[str, ...] = ("tasks:assign",)
    source: Source = "app"
    enabled: bool = True
    #: Exceptions after which another attempt may succeed, beside Retryable.
    retry_on: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)
    #: Called in the worker's own process with what an execution that is the last one came to.
    on_result: Callable[[Any], None] | None = None
    #: For types that ask a model: what of these parameters. Their handler is not called.
    prompt: Callable[[Mapping[str, Any]], ModelPrompt] | None = None
    #: For types that have others do their work, one after another. Their handler is not called.
    steps: tuple[StepPlan, ...] = ()
    #: What operators wrote down, for types without code; a run keeps the one it began with.
    definition: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"task type name {self.name!r} is not allowed")
        if self.params_schema.get("type") != "object":
            raise ValueError(f"{self.name}: params_schema must describe an object")
        if not 0 < self.timeout_s <= TIMEOUT_MAX_S:
            raise ValueError(f"{self.name}: timeout_s must lie in (0, {TIMEOUT_MAX_S}]")
        if not 0 <= self.max_retries <= MOST_RETRIES:
            raise ValueError(f"{self.name}: max_retries must lie in [0, {MOST_RETRIES}]")

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.handler)

    @cached_property
    def _validator(self) -> jsonschema.protocols.Validator:
        cls = jsonschema.validators.validator_for(
            self.params_schema, jsonschema.Draft202012Validator
        )
        cls.check_schema(dict(self.params_schema))
        return cls(self.params_schema, registry=Registry())

    def params_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with defaults filled in. Raises InvalidInput with paths below `params`."""
        members: Mapping[str, Any] = self.params_schema.get("properties", {})
        params = {
            name: schema["default"]
            for name, schema in members.items()
            if isinstance(schema, dict) and "default" in schema
        }
        params |= {**self.defaults, **given}
        if problems := self.problems_of(params):
            raise InvalidInput.of(*problems[:10])
        return params

    def problems_of(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What the schema has against parameters as they are: paths from `params` on, and words."""
        errors = sorted(self._validator.iter_errors(params), key=lambda e: list(map(str, e.path)))
        return [(".".join(map(str, ["params", *e.path])), e.message[:300]) for e in errors]


class TaskTypeRegistry:
    """The types of this process's code. A name is given once."""

    def __init__(self) -> None:
        self._types: dict[str, TaskType] = {}

    def add(self, task_type: TaskType) -> TaskType:
        if task_type.name in self._types:
            raise ValueError(f"task type {task_type.name} is registered twice")
        self._types[task_type.name] = task_type
        return task_type

    def get(self, name: str) -> TaskType | None:
        return self._types.get(name)

    def all(self) -> list[TaskType]:
        return sorted(self._types.values(), key=lambda t: t.name)

    def remove(self, names: Iterable[str]) -> None:
        """Forget types whose source is gone."""
        for name in names:
            self._types.pop(name, None)


#: Those of this process's code.
task_types = TaskTypeRegistry()
_collecting: ContextVar[tuple[TaskTypeRegistry, Source]] = ContextVar("collecting")


@contextmanager
def collecting(into: TaskTypeRegistry, source: Source) -> Iterator[None]:
    """What `@task` makes meanwhile (modules being imported) goes there, as of this source."""
    token = _collecting.set((into, source))
    try:
        yield
    finally:
        _collecting.reset(token)


def task(
    name: str,
    schema: Mapping[str, Any] | None = None,
    **options: Any,
) -> Callable[[TaskFunction], TaskType]:
    """Make a function `(params, ctx) -> JSON` a type of task.

    `schema`: JSON Schema of `params`. `options`: the other fields of TaskType. Title and
    description come from the docstring when they are not given.
    """

    def register(handler: TaskFunction) -> TaskType:
        first, _, rest = (handler.__doc__ or "").strip().partition("\n")
        options.setdefault("title", first.strip().rstrip(".") or name)
        options.setdefault("description", " ".join(rest.split()) or first.strip())
        into, source = _collecting.get((task_types, "app"))
        options.setdefault("source", source)
        made = TaskType(
            name=name, handler=handler, params_schema=schema or dict(ANY_OBJECT), **options
        )
        return into.add(made)

    return register
