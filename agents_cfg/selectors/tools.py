"""What operators say about tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agents_cfg.models import McpServer, McpServerState, Tool
from agents_cfg.selectors.fresh import fresh

_KEY: Final = "tools"
_TIMES: Final = frozenset({"_state", "seen_at", "checked_at", "updated_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTools:
    """Every tool that has a row. Servers hold no secrets here unless they are enabled."""

    #: Tools of the registry by name.
    of_registry: dict[str, Tool]
    #: Tools of enabled servers that may be offered; `server` is loaded.
    of_servers: tuple[Tool, ...]
    #: Enabled servers.
    servers: tuple[McpServer, ...]

    @classmethod
    def nothing(cls) -> KnownTools:
        """Before the first look at the database."""
        return cls(of_registry={}, of_servers=(), servers=())

    @property
    def said(self) -> object:
        """Equal when everything is as before, but for the times."""
        rows = (*self.of_registry.values(), *self.of_servers, *self.servers)
        return [{k: v for k, v in vars(row).items() if k not in _TIMES} for row in rows]

    @property
    def away(self) -> tuple[McpServer, ...]:
        return tuple(s for s in self.servers if s.state != McpServerState.AVAILABLE)


def tools_known() -> KnownTools:
    """At most FRESH_S seconds old. Two queries when it is older."""
    return fresh.get(_KEY, _read)


def tools_known_last() -> KnownTools | None:
    """What was read last, however long ago; None before the first look. Asks no database."""
    known = fresh.known(_KEY)
    return known if isinstance(known, KnownTools) else None


def _read() -> KnownTools:
    servers = {server.pk: server for server in McpServer.objects.filter(is_enabled=True)}
    rows = list(Tool.objects.all())
    for row in rows:
        if row.server_id in servers:
            row.server = servers[row.server_id]
    return KnownTools(
        of_registry={row.name: row for row in rows if row.server_id is None},
        of_servers=tuple(row for row in rows if row.server_id in servers and row.is_offered),
        servers=tuple(servers.values()),
    )
