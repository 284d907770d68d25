"""What a plain function says of itself: the schema and the summary of the tool that it becomes."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from taskmapr.core.errors import InvalidInput

#: A first parameter of this name gets the context of the call, and is no argument.
CONTEXT: Final = "ctx"
#: Sync functions that work at once in one process.
THREADS: Final = 16

#: `name: what it is`, `name (type): what it is` or `:param name: what it is`.
_ARGUMENT: Final = re.compile(r"\s*(?:[-*]\s+|:param\s+)?`?(\w+)`?\s*(?:\([^)]*\))?:\s+(\S.*)")

#: Runs a sync function in a thread: (function) -> its result.
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]

_pool: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="tool")


async def _in_pool(call: Callable[[], Any]) -> Any:
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pool, context.run, call)


_in_thread: InThread = _in_pool


def run_sync_tools_by(in_thread: InThread) -> None:
    """Let another bounded pool carry sync functions: one that knows about database connections."""
    global _in_thread  # noqa: PLW0603 - one per process, named while it starts
    _in_thread = in_thread


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFunction:
    """A function as a tool. `handler`: (context, arguments that fit the schema) -> JSON."""

    summary: str
    input_schema: Mapping[str, Any]
    handler: Callable[[Any, dict[str, Any]], Awaitable[Any]]


def tool_function(function: Callable[..., Any], *, summary: str = "") -> ToolFunction:
    """Read parameters, type hints and docstring of a function, sync or async.

    The summary is the docstring's first paragraph; lines such as `name: what it is` below it
    describe arguments. Raises ValueError for a function without docstring or type hints, and for
    parameters that have no names of their own.
    """
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    told = summary or " ".join(paragraphs[0].split())
    if not told:
        raise ValueError(f"{function.__qualname__}: a docstring must say what it does")
    model = _arguments(function, _descriptions(paragraphs))
    return ToolFunction(
        summary=told,
        input_schema=_plain(model.model_json_schema()),
        handler=_handler(function, model),
    )


def _arguments(function: Callable[..., Any], described: Mapping[str, str]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == CONTEXT and not fields:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(f"{function.__qualname__}: *{name} has no schema")
        if name not in hints:
            raise ValueError(f"{function.__qualname__}: {name} needs a type hint")
        default = ... if parameter.default is parameter.empty else parameter.default
        # By an alias: arguments may have names that a model uses itself, such as `copy`.
        fields[f"of_{name}"] = (
            hints[name],
            Field(default, alias=name, description=described.get(name)),
        )
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def _descriptions(paragraphs: list[str]) -> dict[str, str]:
    lines = "\n".join(paragraphs[1:]).split("\n")
    return {m[1]: m[2].strip() for line in lines if (m := _ARGUMENT.fullmatch(line))}


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, and with `properties` in any case."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: _plain(item) for name, item in value.items()}
        if key in ("properties", "$defs")
        else _plain(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }
    return {"properties": {}, **made} if made.get("type") == "object" else made


def _handler(
    function: Callable[..., Any], model: type[BaseModel]
) -> Callable[[Any, dict[str, Any]], Awaitable[Any]]:
    wants_context = next(iter(inspect.signature(function).parameters), "") == CONTEXT

    @wraps(function)
    async def handler(ctx: Any, args: dict[str, Any]) -> Any:
        try:
            read = model.model_validate(args)
        except ValidationError as error:
            raise InvalidInput.of(
                *((".".join(map(str, e["loc"])) or "arguments", e["msg"]) for e in error.errors())
            ) from None
        named = {name.removeprefix("of_"): value for name, value in read}
        call = partial(function, ctx, **named) if wants_context else partial(function, **named)
        return _as_json(await (call() if inspect.iscoroutinefunction(function) else _thread(call)))

    return handler


def _thread(call: Callable[[], Any]) -> Awaitable[Any]:
    return _in_thread(call)


def _as_json(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
