"""One registry for everything that a run can call."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeVar, overload

import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable

from taskmapr.core.errors import InvalidInput
from taskmapr.core.foreign_schemas import without_patterns
from taskmapr.core.tool_functions import tool_function

Danger = Literal["read", "write", "dangerous"]
ToolResult = Any

#: `provider.verb`; tools of MCP servers keep the spelling that their server gave them.
_NAME: Final = re.compile(
    r"[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)+|mcp:[a-z0-9][a-z0-9_-]*\.[A-Za-z0-9_.-]+"
)
_NOT_IN_MODEL_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
#: Longest function name that models take.
MODEL_NAME_LENGTH: Final = 64


def model_name_of(name: str, *, is_taken: bool = False) -> str:
    """The name of a tool as models see it: 1 to 64 characters of A-Z, a-z, 0-9, `_` and `-`.

    is_taken: another tool has the plain spelling. Then, and when it is too long, the end says which
    one is meant, always in the same way.
    """
    plain = _NOT_IN_MODEL_NAMES.sub("_", name)
    if not is_taken and len(plain) <= MODEL_NAME_LENGTH:
        return plain
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{plain[: MODEL_NAME_LENGTH - 1 - len(mark)]}_{mark}"


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Whether a list of names has this one; a trailing `*` matches any end."""
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a tool is told about the run that calls it. Trusted: nothing of it is a model's."""

    run_id: str
    call_id: str
    user_id: str
    session_id: str | None
    #: Settings of the run's profile for the tools of each provider, e.g. {"ui": {"origins": []}}.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Appends `ui.actions` to the run's log.
    emit_actions: Callable[[list[dict[str, Any]]], None] = lambda actions: None
    #: What the run has told the page before this call, items {type, payload}.
    sent_actions: Sequence[Mapping[str, Any]] = ()
    #: The request of the run, as stored (redacted).
    request: Mapping[str, Any] = field(default_factory=dict)
    #: True: a model chose this call; False: a person or program named the tool itself.
    is_models_choice: bool = True
    #: Tells whoever follows the run how far the call is: (fraction from 0 to 1, text).
    progress: Callable[[float, str], None] = lambda fraction, text: None
    #: Writes a line into the run's log: (debug, info, warning or error; text).
    log: Callable[[str, str], None] = lambda level, text: None
    #: Whether nobody waits for the answer any more. A function in a thread looks now and then: it
    #: cannot be stopped from outside.
    is_cancelled: Callable[[], bool] = lambda: False


ToolHandler = Callable[[ToolContext, dict[str, Any]], Awaitable[ToolResult]]


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """A capability. `name` is `<provider>.<verb>` and unique; a tool of an MCP server is called
    `mcp:<server>.<its name there>`."""

    name: str
    summary: str
    input_schema: Mapping[str, Any]
    handler: ToolHandler
    danger: Danger = "read"
    permission: str = ""
    #: True: calls change the outside world and go through the effect ledger.
    has_effect: bool = False
    needs_approval: bool = False
    enabled: bool = True
    #: Seconds after which a call is given up, 0 < timeout_s <= 600.
    timeout_s: float = 30.0
    #: What one call costs in millionths of a US dollar, and each second of it.
    cost_usd_micros: int = 0
    cost_usd_micros_per_s: int = 0
    #: True: the same call may give something else a moment later, so its answers are not replayed.
    volatile: bool = False
    #: True: calling it twice is as good as once, so a call that failed may be tried again.
    is_idempotent: bool = False
    #: For tools that touch nothing but our own database: the same as `handler`, sync, inside the
    #: caller's transaction. What it writes and the log of its run are stored together or not.
    in_transaction: Callable[[ToolContext, dict[str, Any]], ToolResult] | None = None
    #: The name shown to models, when its own spelling is taken there.
    alias: str = ""
    #: True: others wrote the schema, so its regular expressions are not run here.
    is_foreign: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"tool name {self.name!r} is not of the form provider.verb")
        if self.input_schema.get("type") != "object":
            raise ValueError(f"{self.name}: input_schema must describe an object")
        if not 0 < self.timeout_s <= 600:
            raise ValueError(f"{self.name}: timeout_s must lie in (0, 600]")

    @property
    def provider(self) -> str:
        return self.name.split(".", 1)[0]

    def cost_of(self, seconds: float) -> int:
        """What a call that takes so long costs, in millionths of a US dollar."""
        return self.cost_usd_micros + round(self.cost_usd_micros_per_s * seconds)

    @property
    def place(self) -> str:
        """Where its code is: `module.function (file:line)`."""
        function = inspect.unwrap(self.handler)
        name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
        code = getattr(function, "__code__", None)
        return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name

    @property
    def model_name(self) -> str:
        """The name shown to a model: few characters are allowed there."""
        return self.alias or model_name_of(self.name)

    @cached_property
    def _validator(self) -> jsonschema.protocols.Validator:
        cls = jsonschema.validators.validator_for(
            self.input_schema, jsonschema.Draft202012Validator
        )
        cls.check_schema(dict(self.input_schema))
        schema = without_patterns(self.input_schema) if self.is_foreign else self.input_schema
        # A registry of its own: the default one fetches what a schema refers to over the network.
        return cls(schema, registry=Registry())

    def check(self, args: Any) -> None:
        """Raises InvalidInput that names each member of `args` which the schema refuses."""
        validator = self._validator
        try:
            found = list(validator.iter_errors(args))
        except Unresolvable:
            raise InvalidInput("The tool's schema refers to something that is not in it.") from None
        except RecursionError:
            raise InvalidInput("The tool's schema never ends.") from None
        problems = sorted(found, key=lambda e: list(map(str, e.path)))
        if problems:
            raise InvalidInput.of(
                *(
                    (".".join(map(str, e.path)) or "arguments", e.message[:300])
                    for e in problems[:10]
                )
            )


class ToolRegistry:
    """Filled while the apps start, then closed. Lookups by registry name or by model name."""

    def __init__(self) -> None:
        self._specs: dict[str, ToolSpec] = {}
        self._by_model_name: dict[str, ToolSpec] = {}
        self._closed = False

    def add(self, spec: ToolSpec) -> ToolSpec:
        """Register a tool. Refuses a taken name, also when only dots and underscores differ."""
        if self._closed:
            raise RuntimeError(f"the tool registry is closed; {spec.name} came too late")
        taken = self._specs.get(spec.name) or self._by_model_name.get(spec.model_name)
        if taken is not None:
            raise ValueError(
                f"tool {spec.name} is registered twice: in {taken.place} and in {spec.place}"
            )
        self._specs[spec.name] = self._by_model_name[spec.model_name] = spec
        return spec

    def close(self) -> None:
        self._closed = True

    def get(self, name: str) -> ToolSpec | None:
        return self._specs.get(name) or self._by_model_name.get(name)

    def all(self) -> list[ToolSpec]:
        return sorted(self._specs.values(), key=lambda spec: spec.name)

    def named(self, names: Iterable[str]) -> list[ToolSpec]:
        """The enabled tools among these names; a trailing `*` matches any end."""
        patterns = tuple(names)
        return [spec for spec in self.all() if spec.enabled and is_named(spec.name, patterns)]


#: The one registry of this process.
registry = ToolRegistry()


F = TypeVar("F", bound=Callable[..., Any])

#: Seconds that a decorated function may take unless it says otherwise.
FUNCTION_TIMEOUT_S: Final = 60.0


@overload
def tool(
    name: str,
    *,
    summary: str,
    input_schema: Mapping[str, Any],
    into: ToolRegistry | None = None,
    **options: Any,
) -> Callable[[ToolHandler], ToolSpec]: ...


@overload
def tool(
    name: str,
    *,
    summary: str = "",
    input_schema: None = None,
    into: ToolRegistry | None = None,
    **options: Any,
) -> Callable[[F], F]: ...


def tool(
    name: str,
    *,
    summary: str = "",
    input_schema: Mapping[str, Any] | None = None,
    into: ToolRegistry | None = None,
    **options: Any,
) -> Callable[[Any], Any]:
    """Make a function a tool.

    Without `input_schema`: any function, sync or async, with type hints and a docstring; it stays
    what it is and can be called as before (see `tool_functions`). A first parameter `ctx` gets the
    ToolContext.

    With `input_schema`: a coroutine function of (ToolContext, args checked by the schema); it is
    replaced by its ToolSpec.

    It returns JSON. An error of `taskmapr.core.errors` that it raises is told to who called it,
    ToolError with a code and a status of its own; anything else is told as `tool_failed`.
    `options` are the other fields of ToolSpec. A name that is taken is refused while the process
    starts.
    """

    def register(function: Any) -> Any:
        if input_schema is None:
            described = tool_function(function, summary=summary)
            spec = ToolSpec(
                name=name,
                summary=described.summary,
                input_schema=described.input_schema,
                handler=described.handler,
                **{"timeout_s": FUNCTION_TIMEOUT_S, **options},
            )
            (into or registry).add(spec)
            return function
        spec = ToolSpec(
            name=name, summary=summary, input_schema=input_schema, handler=function, **options
        )
        return (into or registry).add(spec)

    return register
