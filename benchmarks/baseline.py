"""The usual way to stream an agent: FastAPI, the Agents SDK's runner, sse-starlette, no storage.

What TaskMapr is compared with: the same model, the same loop, the same kind of answer, written as
the libraries' own guides show it, and served by uvicorn with uvloop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import orjson
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from fastapi import FastAPI, Request
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent
from sse_starlette import EventSourceResponse, ServerSentEvent

set_tracing_disabled(True)

app = FastAPI()
client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="unused")


@app.post("/orchestrate")
async def orchestrate(request: Request) -> EventSourceResponse:
    asked = await request.json()
    model = OpenAIChatCompletionsModel(asked["config"]["model"], openai_client=client)
    agent = Agent(name="Baseline", instructions="Help with this page.", model=model)
    return EventSourceResponse(frames(agent, asked["prompt"]))


async def frames(agent: Agent[Any], prompt: str) -> AsyncIterator[ServerSentEvent]:
    result = Runner.run_streamed(agent, prompt)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            yield frame({"type": "text_delta", "data": {"delta": event.data.delta}})
    yield frame({"type": "complete", "data": {"status": "succeeded"}})


def frame(data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=orjson.dumps(data).decode())
