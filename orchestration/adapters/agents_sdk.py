"""The agent loop on the OpenAI Agents SDK.

The SDK decides when a model is asked again and when tools are called. Under it lies a `Model` of
our own: it lets text flow from the model port straight to the sink and hands the SDK finished
responses only, because the SDK's stream events cost more than all the rest of a run.

The SDK is given only what the run itself adds; the conversation before stays in our form. Importing
this module takes seconds and 100 MB: worker processes only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Final

import agents
from agents.models.interface import Model, ModelProvider
from agents.tool_context import ToolContext
from agents.usage import Usage

from orchestration.adapters.agents_items import UNOFFERED, output_items
from orchestration.adapters.chat_completions.streams import new_call_id
from taskmapr.core.errors import MaxTurnsExceeded
from taskmapr.core.ports import (
    ModelPort,
    ModelRequest,
    ModelResponse,
    ModelSink,
    ToolCallRequest,
    ToolDefinition,
    ToolInvoker,
)
from taskmapr.core.tools import ToolSpec

agents.set_tracing_disabled(True)

Message = Mapping[str, Any]
OnResponse = Callable[[ModelResponse], Awaitable[None]]

_TOOLBOXES_KEPT: Final = 64


async def agent_loop(
    *,
    model: ModelPort,
    request: ModelRequest,
    tools: Sequence[ToolSpec],
    invoke: ToolInvoker,
    sink: ModelSink,
    max_turns: int,
    on_response: OnResponse,
) -> list[Message]:
    """Fulfils `taskmapr.core.ports.AgentLoop`."""
    toolbox = _toolbox(tools)
    run = _Run(
        model=model,
        request=replace(request, tools=toolbox.definitions),
        specs=toolbox.specs,
        invoke=invoke,
        sink=sink,
        on_response=on_response,
        call_ids=_call_ids(request.messages),
    )
    # The SDK's constructor resolves type hints each time, which costs as much as a short answer.
    config = copy(_CONFIG)
    config.model = _Tee(run)
    items: list[Any] = []
    try:
        result = await agents.Runner.run(
            toolbox.agent, [], context=run, max_turns=max_turns, run_config=config
        )
        items = result.to_input_list()
    except agents.MaxTurnsExceeded:
        raise MaxTurnsExceeded() from None
    except agents.AgentsException:
        # The SDK wraps what callbacks raise; the original goes on below.
        if run.failure is None:
            raise
    finally:
        await run.settle()
    if run.failure is not None:
        raise run.failure
    return run.messages_of(items)


def as_function_tools(specs: Sequence[ToolSpec]) -> list[agents.FunctionTool]:
    """SDK tools for a loop. They hold no state of a run, so they can serve many."""
    return [
        _function_tool(spec.model_name, spec.summary, dict(spec.input_schema)) for spec in specs
    ]


@dataclass(kw_only=True)
class _Run:
    """What the SDK's callbacks share during one loop: the SDK's `context`."""

    model: ModelPort
    request: ModelRequest
    specs: Mapping[str, ToolSpec]
    invoke: ToolInvoker
    sink: ModelSink
    on_response: OnResponse
    call_ids: set[str]
    calls: dict[str, ToolCallRequest] = field(default_factory=dict)
    #: The first thing that a callback raised. The SDK wraps, delays or swallows exceptions.
    failure: BaseException | None = None
    _busy: set[asyncio.Task[Any]] = field(default_factory=set)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Remember what the block raises, and let no block run after that."""
        if self.failure is not None:
            raise agents.AgentsException("the run was left already")
        if (task := asyncio.current_task()) is not None:
            self._busy.add(task)
        try:
            yield
        except BaseException as failure:
            self.failure = failure
            raise

    async def settle(self) -> None:
        """Wait for callbacks that the SDK cancelled and did not wait for."""
        me = asyncio.current_task()
        if pending := [task for task in self._busy if task is not me and not task.done()]:
            await asyncio.wait(pending)

    async def respond(self, items: Sequence[Mapping[str, Any]]) -> ModelResponse:
        messages = [*self.request.messages, *self.messages_of(items)]
        response = await self.model.respond(replace(self.request, messages=messages), self.sink)
        response = replace(response, tool_calls=[self._unique(c) for c in response.tool_calls])
        await self.on_response(response)
        return response

    async def call(self, call_id: str) -> str:
        call = self.calls[call_id]
        return await self.invoke(call, self.specs.get(call.name))

    def messages_of(self, items: Sequence[Mapping[str, Any]]) -> list[Message]:
        """SDK items as chat messages: what one model turn said becomes one assistant message."""
        messages: list[dict[str, Any]] = []
        for item in items:
            if item["type"] == "function_call_output":
                answer = {"tool_call_id": item["call_id"], "content": item["output"]}
                messages.append({"role": "tool", **answer})
                continue
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            self._add_to_turn(messages[-1], item)
        return list(messages)

    def _add_to_turn(self, turn: dict[str, Any], item: Mapping[str, Any]) -> None:
        match item["type"]:
            case "message":
                turn["content"] = "".join(part["text"] for part in item["content"])
            case "reasoning":
                turn["reasoning_content"] = "".join(part["text"] for part in item["summary"])
            case "function_call":
                call = self.calls[item["call_id"]]
                function = {"name": call.name, "arguments": call.arguments}
                turn.setdefault("tool_calls", []).append(
                    {"id": call.call_id, "type": "function", "function": function}
                )

    def _unique(self, call: ToolCallRequest) -> ToolCallRequest:
        """Small models count their calls from 0 in each turn; the SDK takes an id for one call."""
        if call.call_id in self.call_ids:
            call = replace(call, call_id=new_call_id())
        self.call_ids.add(call.call_id)
        self.calls[call.call_id] = call
        return call


class _Tee(Model):
    """The SDK's view of the model port."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._turns = 0

    async def get_response(
        self, system_instructions: str | None, input: Any, *args: Any, **kwargs: Any
    ) -> agents.ModelResponse:
        with self._run.guarded():
            response = await self._run.respond(input)
        self._turns += 1
        usage = Usage(
            requests=1,
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
            total_tokens=response.input_tokens + response.output_tokens,
        )
        return agents.ModelResponse(
            output=output_items(response, self._turns, self._run.specs),
            usage=usage,
            response_id=None,
        )

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("text reaches the sink without the SDK's stream")


@dataclass(frozen=True, slots=True)
class _Toolbox:
    """What depends on the offered tools alone, made once for each set of them."""

    specs: Mapping[str, ToolSpec]
    definitions: tuple[ToolDefinition, ...]
    agent: agents.Agent[_Run]


_toolboxes: OrderedDict[tuple[int, ...], _Toolbox] = OrderedDict()


def _toolbox(specs: Sequence[ToolSpec]) -> _Toolbox:
    """Kept by identity: a kept toolbox holds its specs, so no other spec can take their ids."""
    key = tuple(map(id, specs))
    toolbox = _toolboxes.pop(key, None) or _toolbox_made(specs)
    _toolboxes[key] = toolbox
    if len(_toolboxes) > _TOOLBOXES_KEPT:
        _toolboxes.popitem(last=False)
    return toolbox


class _Agent(agents.Agent[_Run]):
    """An agent whose tools are all enabled."""

    async def get_all_tools(self, run_context: Any) -> list[agents.Tool]:
        # The SDK's own makes a task per tool and turn to ask whether it is enabled.
        return list(self.tools)


def _toolbox_made(specs: Sequence[ToolSpec]) -> _Toolbox:
    definitions = tuple(
        ToolDefinition(name=s.model_name, summary=s.summary, input_schema=s.input_schema)
        for s in specs
    )
    unoffered = _function_tool(UNOFFERED, "", {"type": "object", "properties": {}})
    agent = _Agent(name="TaskMapr", tools=[*as_function_tools(specs), unoffered])
    return _Toolbox({spec.model_name: spec for spec in specs}, definitions, agent)


def _function_tool(name: str, summary: str, schema: dict[str, Any]) -> agents.FunctionTool:
    return agents.FunctionTool(
        name=name,
        description=summary,
        params_json_schema=schema,
        on_invoke_tool=_invoke,
        strict_json_schema=False,
    )


async def _invoke(context: ToolContext[_Run], arguments: str) -> str:
    run: _Run = context.context
    with run.guarded():
        return await run.call(context.tool_call_id)


def _call_ids(messages: Sequence[Message]) -> set[str]:
    return {call["id"] for message in messages for call in message.get("tool_calls") or ()}


class _NoProvider(ModelProvider):
    """The loop brings its model; the SDK's default provider would look for an OpenAI key."""

    def get_model(self, model_name: str | None) -> Model:
        raise LookupError("the agent loop brings its own model")


_CONFIG: Final = agents.RunConfig(
    model_provider=_NoProvider(),
    tracing_disabled=True,
    trace_include_sensitive_data=False,
    tool_execution=agents.ToolExecutionConfig(max_function_tool_concurrency=1),
)
