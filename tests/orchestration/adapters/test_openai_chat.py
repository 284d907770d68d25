"""The adapter for OpenAI-compatible endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestration.adapters.openai_chat import OpenAIChatModel
from taskmapr.core.errors import ModelAuthFailed, ModelFailed, ModelRequestRefused
from tests.modelserver.process import ScriptedServer
from tests.orchestration.adapters.conformance import NAVIGATE, ModelPortConformance

pytestmark = pytest.mark.anyio


@pytest.fixture
async def model() -> AsyncIterator[OpenAIChatModel]:
    adapter = OpenAIChatModel()
    yield adapter
    await adapter.close()


class TestOpenAIChatModel(ModelPortConformance):
    adapter = "openai"

    @pytest.mark.req("OV-21")
    async def test_a_whole_message_is_one_delta(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        response, heard = await self.ask(model, server, "whole")
        assert heard.said == [("text", "All at once.")]
        assert (response.text, response.input_tokens) == ("All at once.", 11)

    async def test_a_whole_message_may_carry_tool_calls(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        calls = [{"id": "c1", "name": "a"}, {"id": "c2", "name": "b", "arguments": {"x": 1}}]
        server.script("whole-calls", {"tool_calls": calls, "whole": True})
        response, _ = await self.ask(model, server, "whole-calls")
        assert [(c.call_id, c.name, c.arguments) for c in response.tool_calls] == [
            ("c1", "a", "{}"),
            ("c2", "b", '{"x":1}'),
        ]

    @pytest.mark.req("OV-20")
    async def test_an_unreadable_chunk_is_skipped(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        response, _ = await self.ask(model, server, "odd-2")
        assert response.text == "Here is what I "

    async def test_an_error_in_the_stream_ends_the_turn(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        server.script("late", {"text": ["a"], "error_in_stream": {"code": 502, "message": "x"}})
        failure, heard = await self.fail(model, server, "late")
        assert type(failure) is ModelFailed
        assert heard.of("text") == ["a"]

    async def test_missing_usage_is_told_apart_from_zero(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        response, _ = await self.ask(model, server, "unreported")
        assert (response.usage_reported, response.input_tokens) == (False, 0)

    async def test_calls_that_share_an_index_are_told_apart_by_id(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        calls = [
            {"id": "c1", "name": "a", "index": 0, "arguments": {"x": 1}},
            {"id": "c2", "name": "b", "index": 0, "arguments": {"y": 2}},
        ]
        server.script("zeros", {"tool_calls": calls})
        response, _ = await self.ask(model, server, "zeros")
        assert [(c.call_id, c.arguments) for c in response.tool_calls] == [
            ("c1", '{"x":1}'),
            ("c2", '{"y":2}'),
        ]

    @pytest.mark.parametrize(
        ("name", "limit_name", "temperature"),
        [
            ("gpt-5-mini", "max_completion_tokens", None),
            ("o3", "max_completion_tokens", None),
            ("gpt-5-chat-latest", "max_tokens", 0.2),
            ("llama3", "max_tokens", 0.2),
        ],
    )
    async def test_names_the_token_limit_as_the_model_wants_it(
        self,
        model: OpenAIChatModel,
        server: ScriptedServer,
        name: str,
        limit_name: str,
        temperature: float | None,
    ) -> None:
        await self.ask(model, server, name, temperature=0.2, max_output_tokens=50)
        body = server.requests(name)[0]["body"]
        assert body[limit_name] == 50
        assert body.get("temperature") == temperature
        assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1

    async def test_leaves_out_what_the_endpoint_refuses_and_remembers_it(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        refusing = ["temperature", "max_tokens", "stream_options"]
        server.script("strict", {"text": "Fine.", "refuse_parameters": refusing})
        response, _ = await self.ask(
            model, server, "strict", temperature=0.2, max_output_tokens=50, tools=[NAVIGATE]
        )
        assert response.text == "Fine."
        assert len(server.requests("strict")) == 4
        await self.ask(model, server, "strict", temperature=0.2, max_output_tokens=50)
        again = server.requests("strict")
        assert len(again) == 5
        assert again[-1]["body"]["max_completion_tokens"] == 50
        assert not set(refusing) & set(again[-1]["body"])

    async def test_a_refused_parameter_that_matters_is_a_refused_request(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        server.script("toolless", {"text": "?", "refuse_parameters": ["tools"]})
        failure, _ = await self.fail(model, server, "toolless", tools=[NAVIGATE])
        assert type(failure) is ModelRequestRefused
        assert len(server.requests("toolless")) == 1

    async def test_does_not_show_reasoning_to_models_that_refuse_it(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        messages: list[dict[str, Any]] = [
            {"role": "assistant", "content": "a", "reasoning_content": "why"},
            {"role": "user", "content": "b"},
        ]
        await self.ask(model, server, "llama3", messages=messages)
        await self.ask(model, server, "deepseek-reasoner", messages=messages)
        shown = [asked["body"]["messages"][1] for asked in server.requests()]
        assert [("reasoning_content" in message) for message in shown] == [False, True]

    async def test_uses_one_connection_for_turns_one_after_another(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        for _ in range(3):
            await self.ask(model, server, "text-3")
        connector = model._session().connector
        assert connector is not None
        assert sum(len(kept) for kept in connector._conns.values()) == 1

    async def test_a_key_that_cannot_be_a_header_is_an_auth_failure(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        failure, _ = await self.fail(model, server, "echo", api_key="sk-ä\nx")
        assert type(failure) is ModelAuthFailed
        assert server.requests() == []

    async def test_an_address_that_is_none_is_a_refused_request(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        failure, _ = await self.fail(model, server, "echo", base_url="not an address")
        assert type(failure) is ModelRequestRefused

    async def test_extra_headers_and_members_are_sent(
        self, model: OpenAIChatModel, server: ScriptedServer
    ) -> None:
        extra = {"headers": {"X-Title": "t"}, "body": {"reasoning_effort": "low"}}
        await self.ask(model, server, "echo", extra=extra)
        (asked,) = server.requests("echo")
        assert asked["headers"]["x-title"] == "t"
        assert asked["body"]["reasoning_effort"] == "low"
