"""kombu's Redis transport, for workers that outlive their Redis."""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as RedisConnectionError


def transport_install() -> None:
    """Redis addresses mean this transport from now on. Call it before the first connection."""
    TRANSPORT_ALIASES.update(
        dict.fromkeys(("redis", "rediss"), f"{Transport.__module__}:{Transport.__qualname__}")
    )


class _QoS(redis.QoS):
    def restore_unacked(self, client: Any = None) -> None:
        """Put back the messages that nobody acknowledged.

        While kombu closes a lost connection, the channel may already be without one, and looking
        for it raises an AttributeError that ends the whole worker with the runs it carries. Then
        nothing can be put back: Redis keeps what is not acknowledged, and recovery begins runs
        that no worker holds.
        """
        if client is None and getattr(self.channel.connection, "client", None) is None:
            self._delivered.clear()
            return
        super().restore_unacked(client)  # type: ignore[no-untyped-call]


class _Channel(redis.Channel):
    QoS = _QoS

    def _connparams(self, asynchronous: bool = False) -> Any:
        """A channel that has lost its connection says so, and does not stumble over its absence:
        of lost connections workers recover, of an AttributeError they end."""
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("The connection of this channel is closed.")
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]


class Transport(redis.Transport):
    """kombu.transport.redis.Transport, but for what closing a lost connection does."""

    Channel = _Channel
