"""The model port for OpenAI-compatible endpoints: OpenAI, Ollama, vLLM, OpenRouter and their like.

Source: the chat-completions API (platform.openai.com/docs/api-reference/chat). The stream is read
by hand: a typed object per token costs more than everything else that a run does.

`ModelEndpoint.extra` understands `headers` (added to the request), `body` (laid over the body) and
`send_reasoning` (give earlier reasoning back to the model).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final
from weakref import WeakKeyDictionary

import aiohttp
import orjson

from orchestration.adapters.chat_completions.bodies import Habits, body_of
from orchestration.adapters.chat_completions.failures import failure_of_status, refused_parameter
from orchestration.adapters.chat_completions.streams import AnswerAssembler
from orchestration.adapters.model_routes import address_of
from taskmapr.core.errors import ModelAuthFailed, ModelFailed, ModelRequestRefused
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ModelResponse, ModelSink

logger = logging.getLogger(__name__)

_CONNECT_S: Final = 10.0
_CONNECTIONS: Final = 2_000
_ERROR_BYTES: Final = 64 * 1024
_WHOLE_ANSWER_BYTES: Final = 16 * 1024 * 1024
_LINE_BYTES: Final = 4 * 1024 * 1024


class _ParameterRefused(Exception):
    """The endpoint does not take one member of the body."""

    def __init__(self, parameter: str, failure: ModelFailed) -> None:
        self.parameter, self.failure = parameter, failure
        super().__init__(parameter)


class OpenAIChatModel:
    """Adapter for one process. It keeps connections open, one pool per event loop; see `close`."""

    def __init__(self) -> None:
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            WeakKeyDictionary()
        )
        self._habits: dict[tuple[str, str], Habits] = {}

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        """One model turn (see ModelPort). A parameter that the endpoint refuses by name is left out
        and the request sent again; that is remembered for the life of the process."""
        base_url, model = address_of(request.endpoint)
        habits = self._habits.setdefault((base_url, model), Habits.of(model))
        while True:
            body = body_of(request, model, habits)
            try:
                return await self._ask(request.endpoint, base_url, body, sink)
            except _ParameterRefused as refused:
                if not habits.learn(refused.parameter):
                    raise refused.failure from None
                logger.info("Model %s does not take %s; left out", model, refused.parameter)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ttl_dns_cache=60)
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return session

    async def _ask(
        self, endpoint: ModelEndpoint, base_url: str, body: dict[str, Any], sink: ModelSink
    ) -> ModelResponse:
        silence_s = endpoint.timeout_s
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=min(_CONNECT_S, silence_s), sock_read=silence_s
        )
        # The causes are cut off: a client's exceptions may quote the address with its secrets.
        try:
            async with self._session().post(
                f"{base_url}/chat/completions",
                data=orjson.dumps(body),
                headers=_headers(endpoint),
                timeout=limits,
                # A redirect would carry the key to another host.
                allow_redirects=False,
            ) as response:
                return await _read(response, AnswerAssembler(sink, body["model"]))
        except aiohttp.SocketTimeoutError:
            raise ModelFailed(f"The language model was silent for {silence_s:g} s.") from None
        except aiohttp.InvalidURL:
            raise ModelRequestRefused("The language model's address is not a valid URL.") from None
        except aiohttp.ClientConnectorCertificateError:
            raise ModelFailed("The language model's certificate is not trusted.") from None
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise ModelFailed(_broken(error)) from None
        except aiohttp.ClientError:
            raise ModelFailed("The language model's answer broke off.") from None


def _headers(endpoint: ModelEndpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
    if key := endpoint.api_key.strip():
        if not (key.isascii() and key.isprintable()):
            raise ModelAuthFailed("The configured model key contains characters no key can have.")
        headers["Authorization"] = f"Bearer {key}"
    return headers | dict(endpoint.extra.get("headers") or {})


def _broken(error: Exception) -> str:
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return "The language model is not reachable."
    return "The connection to the language model broke."


async def _read(response: aiohttp.ClientResponse, answer: AnswerAssembler) -> ModelResponse:
    if response.status != 200:
        body = await response.content.read(_ERROR_BYTES)
        failure = failure_of_status(response.status, body, response.headers)
        if parameter := refused_parameter(response.status, body):
            raise _ParameterRefused(parameter, failure)
        raise failure
    if response.content_type == "application/json":
        _feed_whole(await _read_whole(response.content), answer)
    else:
        await _feed_stream(response.content, answer)
    return answer.finish()


async def _read_whole(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for data in content.iter_any():
        body += data
        if len(body) > _WHOLE_ANSWER_BYTES:
            raise ModelFailed("The language model's answer is too large.")
    return bytes(body)


def _feed_whole(body: bytes, answer: AnswerAssembler) -> None:
    try:
        answer.feed(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise ModelFailed("The language model's answer is not readable.") from None


async def _feed_stream(content: aiohttp.StreamReader, answer: AnswerAssembler) -> None:
    """Read `data:` lines until the end mark; comments and event names mean nothing here."""
    rest = b""
    async for data in content.iter_any():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if payload == b"[DONE]":
                    answer.end()
                    await _read_end(content)
                    return
                _feed_line(payload, answer)
        if len(rest) > _LINE_BYTES:
            raise ModelFailed("The language model's answer is not readable.")
    if rest.startswith(b"data:") and rest[5:].strip() != b"[DONE]":
        _feed_line(rest[5:], answer)


def _feed_line(payload: bytes, answer: AnswerAssembler) -> None:
    try:
        chunk = orjson.loads(payload)
    except orjson.JSONDecodeError:
        logger.warning("A chunk of the model's answer is not JSON; skipped")
        return
    answer.feed(chunk)


async def _read_end(content: aiohttp.StreamReader) -> None:
    """Take the body's end off the line, so that the connection can serve the next request."""
    if content.is_eof():
        return
    try:
        async with asyncio.timeout(0.2):
            await content.readany()
    except (TimeoutError, aiohttp.ClientError):
        return
