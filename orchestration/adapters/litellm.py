"""The model port for every provider that is not OpenAI-compatible, through LiteLLM.

LiteLLM costs 3-10 s and 190 MB to import and about 30 ms of CPU a turn, so it is imported with the
first turn, in a thread, and only where such a model is used. A refusal that an OpenAI-compatible
endpoint sends apart from its text is lost in LiteLLM's stream; such endpoints have `openai_chat`.

`ModelEndpoint.extra["options"]` goes to LiteLLM as it is (`api_version`, `aws_region_name` ...).
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from orchestration.adapters.chat_completions.bodies import chat_messages, tools_as_json
from orchestration.adapters.chat_completions.failures import failure_of_error, retry_after_s
from orchestration.adapters.chat_completions.streams import AnswerAssembler
from taskmapr.core.errors import ModelFailed, ModelNotConfigured, ModelRefusedContext
from taskmapr.core.ports import ModelRequest, ModelResponse, ModelSink

#: LiteLLM counts whole answers against some providers' limits; silence is watched here instead.
_NO_LIMIT_S: Final = 3600.0


class LiteLLMModel:
    """Adapter for one process."""

    def __init__(self) -> None:
        self._module: Any = None
        self._importing = asyncio.Lock()

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        """One model turn (see ModelPort). Raises ModelNotConfigured without LiteLLM."""
        litellm = await self._litellm()
        answer = AnswerAssembler(sink, request.endpoint.model)
        stream = await self._within(request, litellm.acompletion(**_arguments(request)))
        async with aclosing(stream):
            while (chunk := await self._within(request, _next(stream))) is not None:
                answer.feed(chunk.model_dump(exclude_none=True))
        return answer.finish()

    async def _litellm(self) -> Any:
        async with self._importing:
            if self._module is None:
                self._module = await asyncio.to_thread(_imported)
        return self._module

    async def _within(self, request: ModelRequest, step: Any) -> Any:
        """The step's result, or our error. Silence longer than the endpoint allows is a failure."""
        silence_s = request.endpoint.timeout_s
        try:
            async with asyncio.timeout(silence_s):
                return await step
        except TimeoutError:
            raise ModelFailed(f"The language model was silent for {silence_s:g} s.") from None
        except Exception as error:
            # Anything may come out of LiteLLM's hundred providers. The cause is cut off, because
            # its messages quote keys and prompts.
            raise _failure_of(error) from None


def _imported() -> Any:
    """LiteLLM without its telemetry, its downloads and its advertisements."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        litellm: Any = importlib.import_module("litellm")
    except ImportError as error:
        raise ModelNotConfigured("This model needs LiteLLM, which is not installed.") from error
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


def _arguments(request: ModelRequest) -> dict[str, Any]:
    endpoint = request.endpoint
    wanted: dict[str, Any] = {
        "model": endpoint.model,
        "messages": chat_messages(request),
        "stream": True,
        "stream_options": {"include_usage": True},
        "api_key": endpoint.api_key or None,
        "base_url": endpoint.base_url or None,
        "temperature": request.temperature,
        "max_tokens": request.max_output_tokens or endpoint.max_output_tokens,
        "timeout": _NO_LIMIT_S,
        "num_retries": 0,
        "max_retries": 0,
        # What a provider does not know is left out.
        "drop_params": True,
    }
    if request.tools and endpoint.supports_tools:
        wanted["tools"] = tools_as_json(request.tools)
        wanted["parallel_tool_calls"] = request.parallel_tool_calls
    given = {name: value for name, value in wanted.items() if value is not None}
    return given | dict(endpoint.extra.get("options") or {})


async def _next(stream: AsyncIterator[Any]) -> Any:
    """The next chunk, None at the end."""
    return await anext(stream, None)


def _failure_of(error: Exception) -> ModelFailed:
    if type(error).__name__ == "ContextWindowExceededError":
        return ModelRefusedContext()
    status = getattr(error, "status_code", None)
    headers = getattr(error, "litellm_response_headers", None)
    described = {"message": str(error), "code": getattr(error, "code", None)}
    wait_s = retry_after_s(headers) if headers is not None else None
    return failure_of_error(status if isinstance(status, int) else 500, described, wait_s)
