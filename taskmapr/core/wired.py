"""The adapters of this process, named by `taskmapr.wiring` and handed over once while the apps
start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from taskmapr.core.browser import OpenBrowser
from taskmapr.core.ports import (
    AgentLoop,
    CallbackPost,
    CommandHosts,
    Embedder,
    LogTransport,
    LogTransportSync,
    ModelEndpoint,
    ModelPort,
    Policy,
    PriceBook,
    QueuePort,
    SealerSource,
    Signals,
    SignalsAsync,
    Slots,
    StandbyStore,
    ToolServers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What services and engines may ask for. Factories make objects for the running event loop."""

    queue: QueuePort
    sealers: SealerSource
    policy: Policy
    prices: PriceBook
    signals: Signals
    log: LogTransportSync
    standby: StandbyStore
    slots: Slots
    #: The model port that serves an endpoint; imported on first use, in workers only.
    model: Callable[[ModelEndpoint], ModelPort]
    #: Closes what the model ports hold open on the running loop.
    close_models: Callable[[], Awaitable[None]]
    #: The agent loop; imported on first use, in workers only.
    agent_loop: Callable[[], AgentLoop]
    #: None: no embedding model is configured, so what needs one does without.
    embedder: Embedder | None
    #: This worker's sessions with MCP servers; imported on first use, in workers only.
    tool_servers: Callable[[], ToolServers]
    #: Closes those sessions, if there are any.
    close_tool_servers: Callable[[], Awaitable[None]]
    #: Browsers of tasks; imported on first use, in processes of tasks only.
    browser: OpenBrowser
    #: Sends callbacks; imported on first use, in workers only.
    callback_post: Callable[[], CallbackPost]
    #: Commands by SSH; imported on first use, in workers only.
    command_hosts: Callable[[], CommandHosts]
    new_log: Callable[[], LogTransport]
    new_signals: Callable[[], SignalsAsync]
    #: The log's announcements for a web process (`orchestration.log.reader.Announcements`).
    new_announcements: Callable[[], Any]


_ports: Ports | None = None


def wire(ports: Ports) -> None:
    """Hand over the bundle. Tests may do so again; production does it once."""
    global _ports  # noqa: PLW0603 - the one place where the process remembers its adapters
    _ports = ports


def ports() -> Ports:
    if _ports is None:
        raise RuntimeError("TaskMapr's adapters are not wired; is Django set up?")
    return _ports
