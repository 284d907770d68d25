"""Saving MCP servers: by operators, and by the environment."""

from __future__ import annotations

import logging
import re
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from agents_cfg.models import McpServer, McpServerState, McpTransport
from agents_cfg.selectors.mcp import ENVIRONMENT_SERVER, lines_read
from agents_cfg.selectors.profiles import profiles_forget
from taskmapr.core import jobs, wired
from taskmapr.core.errors import InvalidInput, QueueUnavailable

logger = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: What makes a server another one: its state is unknown after a change of these.
_REACHES: Final = ("transport", "url", "command", "args", "env", "headers", "is_enabled")

Problem = tuple[str, str]


@transaction.atomic
def mcp_server_save(*, server: McpServer, by: str) -> McpServer:
    """Store a server and have a worker ask it. `by`: who did it, for the log.

    Raises InvalidInput, also for the row of the environment, which nobody else may change.
    """
    mcp_server_check(server)
    stored = McpServer.objects.select_for_update().filter(pk=server.pk).first()
    if stored is None or any(getattr(stored, n) != getattr(server, n) for n in _REACHES):
        server.state, server.last_error = McpServerState.UNKNOWN, ""
    server.save()
    logger.info("MCP server %s %s by %s", server.name, "changed" if stored else "added", by)
    transaction.on_commit(profiles_forget)
    transaction.on_commit(mcp_check_enqueue)
    return server


def mcp_check_enqueue(*server_ids: int) -> bool:
    """Ask a worker to look at the servers soon; those named are tried even if they failed a moment
    ago. False: nobody could be asked, and beat will do it."""
    try:
        wired.ports().queue.enqueue(jobs.MCP_SERVERS_CHECK, *server_ids, queue=jobs.QUEUE_CHORES)
    except QueueUnavailable:
        return False
    return True


def mcp_server_check(server: McpServer) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = [*_name_problems(server), *_place_problems(server), *_secret_problems(server)]
    if problems:
        raise InvalidInput.of(*problems)


def _name_problems(server: McpServer) -> list[Problem]:
    if server.is_of_environment:
        return [("name", "this server is kept by MCP_BASE_URL; change the environment instead")]
    if server.name == ENVIRONMENT_SERVER:
        return [("name", "is the name of the environment's server")]
    if not _NAME.fullmatch(server.name):
        return [("name", "takes small letters, digits, - and _")]
    return []


def _place_problems(server: McpServer) -> list[Problem]:
    if not _are_texts(server.args):
        return [("args", 'must be a list of texts, such as ["-y", "my-server"]')]
    if server.transport == McpTransport.STDIO:
        return [] if server.command.strip() else [("command", "is needed for a program")]
    if not _is_http(server.url):
        return [("url", "must begin with http:// or https://")]
    return [("command", "is for programs only")] if server.command else []


def _secret_problems(server: McpServer) -> list[Problem]:
    lines = {"headers": (server.headers, ":"), "env": (server.env, "=")}
    return [
        (field, f"each line must look like name{separator}value")
        for field, (text, separator) in lines.items()
        if len(lines_read(text or "", separator)) != len((text or "").split("\n")) * bool(text)
        or not all(_HEADER.fullmatch(name) for name in lines_read(text or "", separator))
    ]


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, str) for member in value)


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def mcp_environment_apply() -> None:
    """The row of MCP_BASE_URL says what the environment says; without that it is disabled, so that
    what operators said about its tools is kept."""
    base_url = settings.TASKMAPR["mcp_base_url"]
    rows = McpServer.objects.filter(is_of_environment=True)
    if not base_url:
        if rows.filter(is_enabled=True).update(is_enabled=False):
            profiles_forget()
        return
    transport, url = environment_place(base_url)
    wanted = {"name": ENVIRONMENT_SERVER, "transport": transport, "url": url, "is_enabled": True}
    if rows.filter(**wanted).exists():
        return
    fresh = {**wanted, "state": McpServerState.UNKNOWN, "last_error": ""}
    McpServer.objects.update_or_create(is_of_environment=True, defaults=fresh)
    profiles_forget()


def environment_place(base_url: str) -> tuple[str, str]:
    """Transport and URL meant by MCP_BASE_URL.

    A URL with a path is taken as it is. Paths that end in `/mcp` mean Streamable HTTP, as servers
    of that transport are called by custom; everything else means server-sent events.
    """
    path = urlsplit(base_url).path.rstrip("/")
    if not path:
        return McpTransport.SSE, f"{base_url.rstrip('/')}/mcp/sse"
    is_streamable = path.rpartition("/")[2] == "mcp"
    return (McpTransport.STREAMABLE_HTTP if is_streamable else McpTransport.SSE), base_url
