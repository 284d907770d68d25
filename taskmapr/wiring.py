"""Names the concrete adapters. The only module that knows them all."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from threading import Lock

from django.conf import settings
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from billing.policy import QuotaPolicy
from orchestration.adapters.browser_downloads import downloads_prune
from orchestration.adapters.celery_queue import CeleryQueue
from orchestration.adapters.mcp_absent import NoToolServers
from orchestration.adapters.model_routes import RoutedModel, adapter_of, address_of, service_of
from orchestration.adapters.ollama import ollama_models
from orchestration.adapters.prices import TablePriceBook
from orchestration.adapters.redis_log import RedisLog, RedisLogSync, channel_name
from orchestration.adapters.redis_signals import AsyncRedisSignals, RedisSignals
from orchestration.adapters.redis_slots import RedisSlots
from orchestration.adapters.redis_standby import RedisStandby
from orchestration.log.reader import Announcements
from taskmapr.core.browser import Browser, BrowserRequest
from taskmapr.core.ports import (
    AgentLoop,
    CallbackPost,
    CommandHosts,
    Embedder,
    ModelEndpoint,
    ModelPort,
    ToolServers,
)
from taskmapr.core.wired import Ports
from taskmapr.users.services.data_keys import DataKeySealers

#: Seconds until a command to Redis is given up. Longer than any pause of a healthy server.
_TIMEOUT_S = 2.0

_making_sessions = Lock()


def build() -> Ports:
    """The bundle for this process. Opens no connection."""
    blocking = Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    return Ports(
        queue=CeleryQueue(blocking),
        sealers=DataKeySealers(),
        policy=QuotaPolicy(),
        prices=TablePriceBook(),
        signals=RedisSignals(blocking),
        log=RedisLogSync(blocking),
        standby=RedisStandby(blocking),
        slots=RedisSlots(blocking),
        model=_model,
        close_models=_close_models,
        agent_loop=_agent_loop,
        embedder=_embedder(),
        tool_servers=_tool_servers,
        close_tool_servers=_close_tool_servers,
        browser=_browser,
        callback_post=_callback_post,
        command_hosts=_command_hosts,
        new_log=lambda: RedisLog(_async_client()),
        new_signals=lambda: AsyncRedisSignals(
            _async_client(), alive_s=settings.TASKMAPR["lease_ttl_s"]
        ),
        new_announcements=lambda: Announcements(_async_client(), channel_name),
    )


def local_models() -> list[str]:
    """Models that a local Ollama offers; asks for at most half a second."""
    return ollama_models()


def _async_client() -> AsyncRedis:
    """A client for the running loop."""
    return AsyncRedis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        # Who asks knows what to do without an answer; trying again would hold it up, and a
        # listener that was connected anew behind its back would not know what it missed.
        retry=AsyncRetry(NoBackoff(), 0),
        # RESP 2: replies keep one shape, and its parser costs less per message.
        protocol=2,
    )


def _model(endpoint: ModelEndpoint) -> ModelPort:
    return _models()


async def _close_models() -> None:
    if _models.cache_info().currsize:
        await _models().close()


@cache
def _models() -> RoutedModel:
    # Model clients are heavy; web processes, which never call one, do not import them.
    from orchestration.adapters.litellm import LiteLLMModel  # noqa: PLC0415
    from orchestration.adapters.offline_model import OfflineModel  # noqa: PLC0415
    from orchestration.adapters.openai_chat import OpenAIChatModel  # noqa: PLC0415

    delay_s = settings.TASKMAPR["offline_model_delay_ms"] / 1000
    return RoutedModel(
        {
            "openai": OpenAIChatModel(),
            "litellm": LiteLLMModel(),
            "offline": OfflineModel(word_delay_s=delay_s),
        }
    )


def _tool_servers() -> ToolServers:
    # Two threads that ask at the same time must not get sessions of their own.
    with _making_sessions:
        return _sessions()


@cache
def _sessions() -> ToolServers:
    # The client's libraries take a second: workers only.
    try:
        from orchestration.adapters.mcp_client import McpSessions  # noqa: PLC0415
    except ImportError as error:
        return NoToolServers(f"the MCP client cannot be imported: {error}")
    return McpSessions()


async def _close_tool_servers() -> None:
    if _sessions.cache_info().currsize:
        await _tool_servers().close()


@cache
def _agent_loop() -> AgentLoop:
    # Importing the SDK takes seconds and 100 MB: workers only.
    from orchestration.adapters.agents_sdk import agent_loop  # noqa: PLC0415

    return agent_loop


def _browser(request: BrowserRequest) -> AbstractContextManager[Browser]:
    # Selenium takes a third of a second to import.
    from orchestration.adapters.selenium import open_browser  # noqa: PLC0415

    kept_s = settings.TASKMAPR["files_retention_days"] * 86_400
    downloads_prune(settings.BROWSER.download_path, kept_s=kept_s)
    return open_browser(settings.BROWSER, request)


@cache
def _callback_post() -> CallbackPost:
    # Brings an HTTP client, which web processes do without.
    from orchestration.adapters.webhook_http import callback_post  # noqa: PLC0415

    return callback_post


@cache
def _command_hosts() -> CommandHosts:
    # asyncssh brings a cryptography library and takes a third of a second: workers only.
    from orchestration.adapters.ssh import SshHosts  # noqa: PLC0415

    return SshHosts()


def _embedder() -> Embedder | None:
    """None when no embedding model is named. The OpenAI key goes to no other provider."""
    own = settings.TASKMAPR
    model: str = own["embedding_model"]
    if not model:
        return None
    # Both bring an HTTP client, which processes without an embedding model do without.
    from memory.adapters.embeddings import HttpEmbedder  # noqa: PLC0415
    from memory.adapters.guarded_embeddings import GuardedEmbedder  # noqa: PLC0415
    from memory.adapters.litellm_embeddings import LiteLLMEmbedder  # noqa: PLC0415

    is_openai = "/" not in model or model.startswith("openai/")
    base_url = own["openai_base_url"] if is_openai else ""
    endpoint = ModelEndpoint(model=model, base_url=base_url)
    if adapter_of(endpoint) == "litellm":
        made: Embedder = LiteLLMEmbedder(model=model)
    else:
        address, name = address_of(endpoint)
        key = own["openai_api_key"] if is_openai else ""
        made = HttpEmbedder(address=address, model=name, api_key=key)
    return GuardedEmbedder(made, service=service_of(endpoint, "embeddings"))
