"""The agent loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from orchestration.adapters.agents_sdk import agent_loop
from orchestration.adapters.openai_chat import OpenAIChatModel
from orchestration.engines.model_turns import ResilientModel
from taskmapr.core.errors import MaxTurnsExceeded, ModelFailed
from taskmapr.core.ports import (
    ModelEndpoint,
    ModelRequest,
    ModelResponse,
    ModelSink,
    StopRun,
    ToolCallRequest,
)
from taskmapr.core.tools import ToolSpec
from tests.modelserver.process import ScriptedServer
from tests.orchestration.adapters.conformance import Heard

pytestmark = pytest.mark.anyio


async def _unused(*_: Any) -> None:
    raise AssertionError("the loop calls `invoke`, not the handler")


def spec(name: str) -> ToolSpec:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    return ToolSpec(name=name, summary=f"Does {name}", input_schema=schema, handler=_unused)


NAVIGATE, HIGHLIGHT = spec("ui.navigate"), spec("ui.highlight")


def says(
    text: str = "", *calls: tuple[str, str, str], reasoning: str = "", tokens: int = 3
) -> ModelResponse:
    return ModelResponse(
        text=text,
        reasoning=reasoning,
        tool_calls=[ToolCallRequest(call_id=i, name=n, arguments=a) for i, n, a in calls],
        input_tokens=tokens,
        output_tokens=tokens,
        finish_reason="stop",
        model="scripted",
    )


class ScriptedPort:
    """Answers with the given turns; keeps what it was asked."""

    def __init__(self, *turns: ModelResponse | BaseException) -> None:
        self.turns = list(turns)
        self.asked: list[ModelRequest] = []

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        self.asked.append(request)
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, BaseException):
            raise turn
        if turn.text:
            sink.text(turn.text)
        return turn


class Loop:
    """Runs the loop and writes down in which order things happened."""

    def __init__(self, *turns: ModelResponse | BaseException) -> None:
        self.port = ScriptedPort(*turns)
        self.heard = Heard()
        self.log: list[Any] = []
        self.responses: list[ModelResponse] = []
        self.stop_at: Callable[[ModelResponse], BaseException | None] = lambda response: None

    async def invoke(self, call: ToolCallRequest, tool: ToolSpec | None) -> str:
        self.log.append(("began", call.name, call.arguments, tool.name if tool else None))
        await asyncio.sleep(0)
        self.log.append(("ended", call.name))
        return f"result of {call.name}"

    async def on_response(self, response: ModelResponse) -> None:
        self.responses.append(response)
        self.log.append(("responded", [call.name for call in response.tool_calls]))
        if failure := self.stop_at(response):
            raise failure

    async def run(
        self,
        *tools: ToolSpec,
        messages: Sequence[Mapping[str, Any]] = ({"role": "user", "content": "go to tags"},),
        max_turns: int = 5,
    ) -> list[Mapping[str, Any]]:
        request = ModelRequest(
            endpoint=ModelEndpoint(model="mock/echo"), instructions="Be brief.", messages=messages
        )
        return await agent_loop(
            model=self.port,
            request=request,
            tools=tools,
            invoke=self.invoke,
            sink=self.heard,
            max_turns=max_turns,
            on_response=self.on_response,
        )


async def test_an_answer_without_calls_is_one_turn() -> None:
    loop = Loop(says("Hello."))
    assert await loop.run(NAVIGATE) == [{"role": "assistant", "content": "Hello."}]
    assert loop.heard.said == [("text", "Hello.")]
    assert loop.log == [("responded", [])]


async def test_an_empty_answer_ends_the_loop() -> None:
    loop = Loop(says(""))
    await loop.run()
    assert len(loop.port.asked) == 1


async def test_the_model_is_shown_instructions_tools_and_conversation() -> None:
    loop = Loop(says("Hello."))
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    await loop.run(NAVIGATE, messages=history)
    (asked,) = loop.port.asked
    assert asked.instructions == "Be brief."
    assert asked.messages == history
    assert [(t.name, t.summary) for t in asked.tools] == [("ui_navigate", "Does ui.navigate")]


@pytest.mark.req("OV-S3", "OV-28")
async def test_tools_run_one_after_another_in_call_order() -> None:
    loop = Loop(
        says(
            "On it.",
            ("c1", "ui_navigate", '{"path":"/tags"}'),
            ("c2", "ui_highlight", "{}"),
            reasoning="Tags, then.",
        ),
        says("Here are the tags."),
    )
    added = await loop.run(NAVIGATE, HIGHLIGHT)
    assert loop.log == [
        ("responded", ["ui_navigate", "ui_highlight"]),
        ("began", "ui_navigate", '{"path":"/tags"}', "ui.navigate"),
        ("ended", "ui_navigate"),
        ("began", "ui_highlight", "{}", "ui.highlight"),
        ("ended", "ui_highlight"),
        ("responded", []),
    ]
    expected = [
        {
            "role": "assistant",
            "content": "On it.",
            "reasoning_content": "Tags, then.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "ui_navigate", "arguments": '{"path":"/tags"}'},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "ui_highlight", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "result of ui_navigate"},
        {"role": "tool", "tool_call_id": "c2", "content": "result of ui_highlight"},
        {"role": "assistant", "content": "Here are the tags."},
    ]
    assert added == expected
    assert list(loop.port.asked[1].messages[1:]) == expected[:3]


@pytest.mark.req("OV-S13")
async def test_a_tool_that_was_not_offered_reaches_invoke_without_a_spec() -> None:
    loop = Loop(says("", ("c1", "ssh_run", '{"x":1}')), says("Sorry."))
    added = await loop.run(NAVIGATE)
    assert ("began", "ssh_run", '{"x":1}', None) in loop.log
    assert added[0]["tool_calls"][0]["function"] == {"name": "ssh_run", "arguments": '{"x":1}'}
    assert added[1]["content"] == "result of ssh_run"


async def test_arguments_that_are_not_json_reach_invoke() -> None:
    loop = Loop(says("", ("c1", "ui_navigate", '{"path":')), says("Sorry."))
    await loop.run(NAVIGATE)
    assert ("began", "ui_navigate", '{"path":', "ui.navigate") in loop.log


async def test_call_ids_that_come_again_are_made_unique() -> None:
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_0"}]},
        {"role": "tool", "tool_call_id": "call_0", "content": "x"},
        {"role": "user", "content": "b"},
    ]
    call = ("call_0", "ui_navigate", "{}")
    loop = Loop(says("", call), says("", call), says("Done."))
    added = await loop.run(NAVIGATE, messages=history)
    ids = [c["id"] for message in added for c in message.get("tool_calls", ())]
    assert len({*ids, "call_0"}) == 3
    assert [m["tool_call_id"] for m in added if m["role"] == "tool"] == ids
    assert [c.call_id for r in loop.responses for c in r.tool_calls] == ids


@pytest.mark.req("OV-25")
async def test_too_many_turns_end_the_loop() -> None:
    loop = Loop(says("", ("c", "ui_navigate", "{}")))
    with pytest.raises(MaxTurnsExceeded):
        await loop.run(NAVIGATE, max_turns=3)
    assert len(loop.port.asked) == 3


class Paused(StopRun):
    pass


@pytest.mark.parametrize("failure", [Paused("wait"), ValueError("odd"), KeyError("x")])
async def test_what_a_tool_raises_reaches_the_caller_unchanged(failure: Exception) -> None:
    loop = Loop(
        says("", ("c1", "ui_navigate", "{}"), ("c2", "ui_highlight", "{}")), says("unreached")
    )
    cause = RuntimeError("cause")

    async def invoke(call: ToolCallRequest, tool: ToolSpec | None) -> str:
        loop.log.append(call.name)
        raise failure from cause

    loop.invoke = invoke  # type: ignore[method-assign]
    with pytest.raises(type(failure)) as caught:
        await loop.run(NAVIGATE, HIGHLIGHT)
    assert caught.value is failure
    assert caught.value.__cause__ is cause
    assert loop.log == [("responded", ["ui_navigate", "ui_highlight"]), "ui_navigate"]
    assert len(loop.port.asked) == 1


async def test_on_response_can_stop_the_loop_before_the_tools() -> None:
    loop = Loop(says("", ("c1", "ui_navigate", "{}")), says("unreached"))
    stop = Paused("enough")
    loop.stop_at = lambda response: stop
    with pytest.raises(Paused) as caught:
        await loop.run(NAVIGATE)
    assert caught.value is stop
    assert loop.log == [("responded", ["ui_navigate"])]


async def test_what_the_model_raises_reaches_the_caller_unchanged() -> None:
    failure = ModelFailed()
    with pytest.raises(ModelFailed) as caught:
        await Loop(failure).run(NAVIGATE)
    assert caught.value is failure


async def test_a_cancelled_tool_is_not_told_to_the_model() -> None:
    loop = Loop(says("", ("c1", "ui_navigate", "{}")), says("unreached"))

    async def invoke(call: ToolCallRequest, tool: ToolSpec | None) -> str:
        raise asyncio.CancelledError

    loop.invoke = invoke  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await loop.run(NAVIGATE)
    assert len(loop.port.asked) == 1


@pytest.mark.req("OV-23")
async def test_cancelling_waits_until_the_tool_has_cleaned_up() -> None:
    loop = Loop(says("", ("c1", "ui_navigate", "{}")), says("unreached"))
    began = asyncio.Event()

    async def invoke(call: ToolCallRequest, tool: ToolSpec | None) -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            loop.log.append("cleaned up")
        return ""

    loop.invoke = invoke  # type: ignore[method-assign]
    running = asyncio.create_task(loop.run(NAVIGATE))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert loop.log[-1] == "cleaned up"


@pytest.mark.req("OV-23")
async def test_cancelling_in_mid_answer_closes_the_upstream_request(
    server: ScriptedServer,
) -> None:
    adapter, heard = OpenAIChatModel(), Heard()
    loop = Loop(says("unused"))
    endpoint = ModelEndpoint(model="openai/silent-2", base_url=server.base_url)
    running = asyncio.create_task(
        agent_loop(
            model=ResilientModel(model=adapter),
            request=ModelRequest(endpoint=endpoint, instructions="", messages=[]),
            tools=[NAVIGATE],
            invoke=loop.invoke,
            sink=heard,
            max_turns=3,
            on_response=loop.on_response,
        )
    )
    while len(heard.said) < 2:
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.to_thread(server.wait_for_state, "silent-2", "cut_by_client", timeout_s=20)
    assert (len(server.requests("silent-2")), loop.log) == (1, [])
    await adapter.close()


@pytest.mark.req("OV-S3")
async def test_a_run_over_http_shows_the_model_its_tool_results(server: ScriptedServer) -> None:
    adapter, heard = OpenAIChatModel(), Heard()
    loop = Loop(says("unused"))
    endpoint = ModelEndpoint(model="openai/tool-ui_navigate", base_url=server.base_url)
    request = ModelRequest(
        endpoint=endpoint, instructions="", messages=[{"role": "user", "content": "go"}]
    )
    await agent_loop(
        model=adapter,
        request=request,
        tools=[NAVIGATE],
        invoke=loop.invoke,
        sink=heard,
        max_turns=3,
        on_response=loop.on_response,
    )
    second = server.requests()[1]["body"]["messages"]
    assert [message["role"] for message in second] == ["user", "assistant", "tool"]
    assert second[2] == {
        "role": "tool",
        "tool_call_id": second[1]["tool_calls"][0]["id"],
        "content": "result of ui_navigate",
    }
    assert heard.of("text") == ["Done."]
    await adapter.close()


async def test_runs_side_by_side_do_not_mix() -> None:
    loops = [
        Loop(says("", (f"c{i}", "ui_navigate", f'{{"path":"/{i}"}}')), says(f"done {i}"))
        for i in range(8)
    ]
    added = await asyncio.gather(*(loop.run(NAVIGATE) for loop in loops))
    for i, (loop, messages) in enumerate(zip(loops, added, strict=True)):
        assert loop.log[1] == ("began", "ui_navigate", f'{{"path":"/{i}"}}', "ui.navigate")
        assert messages[-1]["content"] == f"done {i}"


async def test_a_finished_run_leaves_nothing_in_memory() -> None:
    """One task may carry many runs; the loop must not tie what it used to that task."""
    kept: list[weakref.ref[Loop]] = []
    for _ in range(3):
        loop = Loop(says("", ("c1", "ui_navigate", "{}")), says("Done."))
        kept.append(weakref.ref(loop))
        await loop.run(NAVIGATE)
        del loop
    gc.collect()
    assert [ref() for ref in kept] == [None, None, None]
