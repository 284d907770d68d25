"""What every adapter of the model port must do, over real HTTP to the scripted server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskmapr.core.errors import (
    ModelAuthFailed,
    ModelFailed,
    ModelRefusedContext,
    ModelRequestRefused,
)
from taskmapr.core.ports import (
    ModelEndpoint,
    ModelPort,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
    ToolDefinition,
)
from tests.modelserver.process import ScriptedServer

KEY = "sk-scripted-key-that-nobody-may-see"
PROMPT = "a prompt that nobody may see"
NAVIGATE = ToolDefinition(
    name="ui_navigate",
    summary="Opens a page",
    input_schema={
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
    },
)


class Heard:
    """A sink that keeps what it got, and in which order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def text(self, delta: str) -> None:
        self.said.append(("text", delta))

    def reasoning(self, delta: str) -> None:
        self.said.append(("reasoning", delta))

    def of(self, kind: str) -> list[str]:
        return [delta for what, delta in self.said if what == kind]


@pytest.mark.anyio
class ModelPortConformance:
    """Subclasses give `model`, a fixture with the adapter, and `adapter`, its name."""

    adapter: str
    #: How the adapter's endpoint notation writes the server's model names.
    prefix = "openai/"

    def request(self, server: ScriptedServer, model: str, **more: Any) -> ModelRequest:
        endpoint = ModelEndpoint(
            model=f"{self.prefix}{model}",
            base_url=more.pop("base_url", server.base_url),
            api_key=more.pop("api_key", KEY),
            adapter=self.adapter,
            timeout_s=more.pop("timeout_s", 30.0),
            extra=more.pop("extra", {}),
        )
        fields = {
            "instructions": "Be brief.",
            "messages": [{"role": "user", "content": PROMPT}],
            **more,
        }
        return ModelRequest(endpoint=endpoint, **fields)

    async def ask(
        self, model: ModelPort, server: ScriptedServer, name: str, **more: Any
    ) -> tuple[ModelResponse, Heard]:
        heard = Heard()
        return await model.respond(self.request(server, name, **more), heard), heard

    async def fail(
        self, model: ModelPort, server: ScriptedServer, name: str, **more: Any
    ) -> tuple[ModelFailed, Heard]:
        heard = Heard()
        with pytest.raises(ModelFailed) as caught:
            await model.respond(self.request(server, name, **more), heard)
        assert_keeps_secrets(caught.value)
        return caught.value, heard

    @pytest.mark.req("OV-21")
    async def test_hands_over_text_while_it_comes(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        response, heard = await self.ask(model, server, "text-8")
        assert heard.of("text") == [
            "Here ",
            "is ",
            "what ",
            "I ",
            "found ",
            "on ",
            "this ",
            "page. ",
        ]
        assert response.text == "Here is what I found on this page. "
        assert (response.finish_reason, response.tool_calls) == ("stop", [])

    async def test_shows_the_model_instructions_messages_and_tools(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        await self.ask(model, server, "echo", tools=[NAVIGATE], temperature=0.5)
        (asked,) = server.requests("echo")
        assert asked["headers"]["authorization"] == f"Bearer {KEY}"
        body = asked["body"]
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": PROMPT},
        ]
        (tool,) = body["tools"]
        assert tool["function"]["name"] == "ui_navigate"
        assert tool["function"]["parameters"] == NAVIGATE.input_schema
        assert (body["temperature"], body["stream"]) == (0.5, True)

    async def test_reports_usage_and_model(self, model: ModelPort, server: ScriptedServer) -> None:
        server.script("counted", {"text": "Hi.", "usage": [123, 45]})
        response, _ = await self.ask(model, server, "counted")
        assert (response.input_tokens, response.output_tokens) == (123, 45)
        assert response.usage_reported
        assert response.model.endswith("counted")

    async def test_keeps_reasoning_apart(self, model: ModelPort, server: ScriptedServer) -> None:
        response, heard = await self.ask(model, server, "think")
        assert (response.reasoning, response.text) == ("Let me see.", "It is so.")
        assert [kind for kind, _ in heard.said] == ["reasoning", "reasoning", "text", "text"]

    async def test_assembles_tool_calls_from_fragments(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        calls = [
            {"id": "c1", "name": "ui_navigate", "arguments": {"path": "/tags"}},
            {"id": "c2", "name": "ui_highlight", "arguments": {"selectors": ["#tags"]}},
        ]
        server.script("caller", {"text": "On it.", "tool_calls": calls, "fragment": 3})
        response, heard = await self.ask(model, server, "caller", tools=[NAVIGATE])
        assert response.tool_calls == [
            ToolCallRequest(call_id="c1", name="ui_navigate", arguments='{"path":"/tags"}'),
            ToolCallRequest(call_id="c2", name="ui_highlight", arguments='{"selectors":["#tags"]}'),
        ]
        assert heard.of("text") == ["On it."]
        assert response.finish_reason == "tool_calls"

    async def test_takes_whole_tool_calls(self, model: ModelPort, server: ScriptedServer) -> None:
        server.script("caller", {"tool_calls": [{"id": "c1", "name": "now", "arguments": "{}"}]})
        response, _ = await self.ask(model, server, "caller", tools=[NAVIGATE])
        assert response.tool_calls == [ToolCallRequest(call_id="c1", name="now", arguments="{}")]

    async def test_gives_a_call_without_an_id_one(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        calls = [{"id": "", "name": "now"}, {"id": "", "name": "now"}]
        server.script("caller", {"tool_calls": calls})
        response, _ = await self.ask(model, server, "caller", tools=[NAVIGATE])
        assert len({call.call_id for call in response.tool_calls} - {""}) == 2

    @pytest.mark.req("OV-21")
    async def test_gives_a_refusal_as_text(self, model: ModelPort, server: ScriptedServer) -> None:
        response, heard = await self.ask(model, server, "refuse")
        assert heard.of("text") == ["I cannot help with that."]
        assert response.text == "I cannot help with that."

    @pytest.mark.req("OV-65")
    async def test_a_refused_key_is_an_auth_failure_and_not_shown(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        quoting = {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}
        server.script("locked", {"status": 401, "error": quoting})
        failure, heard = await self.fail(model, server, "locked")
        assert type(failure) is ModelAuthFailed
        assert (failure.code, failure.retryable) == ("llm_auth_failed", False)
        assert heard.said == []

    @pytest.mark.req("OV-65")
    async def test_too_many_requests_says_how_long_to_wait(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        server.script("busy", {"status": 429, "retry_after": "7", "error": {"message": "slow"}})
        failure, _ = await self.fail(model, server, "busy")
        assert type(failure) is ModelFailed
        assert (failure.code, failure.retryable, failure.retry_after_s) == (
            "llm_unavailable",
            True,
            7.0,
        )

    @pytest.mark.req("OV-65", "OV-S12")
    @pytest.mark.parametrize("status", [500, 502, 503, 408])
    async def test_a_failing_provider_is_unavailable(
        self, model: ModelPort, server: ScriptedServer, status: int
    ) -> None:
        failure, _ = await self.fail(model, server, f"status-{status}")
        assert type(failure) is ModelFailed
        assert not failure.permanent

    async def test_is_asked_once_even_when_it_fails(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        await self.fail(model, server, "status-500")
        assert len(server.requests("status-500")) == 1

    async def test_other_refusals_name_no_part_of_the_request(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        error = {"message": f"bad: {PROMPT}", "param": "messages", "code": "invalid_value"}
        server.script("picky", {"status": 400, "error": error})
        failure, _ = await self.fail(model, server, "picky")
        assert type(failure) is ModelRequestRefused

    async def test_an_unknown_model_is_a_refused_request(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        failure, _ = await self.fail(model, server, "status-404")
        assert type(failure) is ModelRequestRefused

    async def test_a_prompt_that_is_too_long_is_told_apart(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        error = {
            "message": "This model's maximum context length is 10 tokens.",
            "code": "context_length_exceeded",
        }
        server.script("small", {"status": 400, "error": error})
        failure, _ = await self.fail(model, server, "small")
        assert type(failure) is ModelRefusedContext

    @pytest.mark.req("OV-65", "OV-S12")
    async def test_nobody_listening_is_unavailable(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        failure, _ = await self.fail(model, server, "echo", base_url="http://127.0.0.1:9/v1")
        assert type(failure) is ModelFailed

    @pytest.mark.req("OV-20")
    async def test_a_cut_in_mid_answer_fails_after_the_text_so_far(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        failure, heard = await self.fail(model, server, "cut-3")
        assert type(failure) is ModelFailed
        assert heard.of("text") == ["Here ", "is ", "what "]

    async def test_silence_before_the_first_byte_ends_in_time(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        failure, _ = await self.fail(model, server, "slow-30000", timeout_s=0.4)
        assert type(failure) is ModelFailed

    async def test_silence_in_mid_answer_ends_in_time(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        failure, heard = await self.fail(model, server, "silent-2", timeout_s=1.5)
        assert type(failure) is ModelFailed
        assert heard.of("text") == ["Here ", "is "]

    async def test_a_long_answer_may_take_longer_than_the_silence_allowed(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        response, _ = await self.ask(model, server, "bench-8x250", timeout_s=1.5)
        assert response.text.endswith("page. ")

    async def test_goes_on_after_a_silence_that_is_allowed(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        response, _ = await self.ask(model, server, "pause-2x0.4", timeout_s=20)
        assert response.text == "Here is what I "

    @pytest.mark.req("OV-23")
    async def test_cancelling_closes_the_upstream_request(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        heard = Heard()
        turn = asyncio.create_task(
            model.respond(self.request(server, "silent-1", timeout_s=60.0), heard)
        )
        while not heard.said:
            await asyncio.sleep(0.02)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        await asyncio.to_thread(server.wait_for_state, "silent-1", "cut_by_client", timeout_s=20)


def assert_keeps_secrets(failure: BaseException | None) -> None:
    """Neither the failure nor anything shown with it carries the key or the prompt."""
    while failure is not None:
        assert KEY not in repr(failure) + str(failure)
        assert PROMPT not in repr(failure) + str(failure)
        failure = None if failure.__suppress_context__ else failure.__context__
