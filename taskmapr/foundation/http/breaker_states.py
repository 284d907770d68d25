"""How the circuits are: for operators and figures. Sync."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

from redis.exceptions import RedisError

from taskmapr.foundation.http.breaker_scripts import INDEX, circuit_keys
from taskmapr.foundation.redis_client import redis_client

CircuitState = Literal["closed", "half_open", "open"]
#: As figures tell them.
STATE_NUMBERS: Final[dict[CircuitState, float]] = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One service as it is now. Times are Redis'."""

    service: str
    state: CircuitState = "closed"
    #: Failures that count at present; once it is open, those that opened it.
    failures: int = 0
    #: When it opened first, and last, since it was closed.
    open_since: datetime | None = None
    opened_at: datetime | None = None
    changed_at: datetime | None = None


def circuits_now() -> list[Circuit]:
    """Services that failed in the last day, by name. Raises RedisError."""
    client = redis_client()
    listed = cast("list[tuple[bytes, float]]", client.zrange(INDEX, 0, -1, withscores=True))
    pipeline = client.pipeline(transaction=False)
    for name, _ in listed:
        state, failures = circuit_keys(name.decode())
        pipeline.hgetall(state)
        pipeline.zcard(failures)
    answers = pipeline.execute() if listed else []
    found = [
        _circuit(name.decode(), changed, answers[2 * at], answers[2 * at + 1])
        for at, (name, changed) in enumerate(listed)
    ]
    return sorted(found, key=lambda circuit: circuit.service)


def circuit_numbers() -> dict[str, float]:
    """The state of each as figures tell it, by service; nothing while Redis is away."""
    try:
        return {circuit.service: STATE_NUMBERS[circuit.state] for circuit in circuits_now()}
    except RedisError:
        return {}


def circuit_reset(service: str) -> None:
    """Close it, whatever happened. Raises RedisError."""
    redis_client().delete(*circuit_keys(service))


def _circuit(service: str, changed: float, stored: dict[bytes, bytes], failures: int) -> Circuit:
    return Circuit(
        service=service,
        state=cast("CircuitState", stored.get(b"state", b"closed").decode()),
        failures=failures,
        open_since=_time(stored.get(b"since_ms")),
        opened_at=_time(stored.get(b"opened_ms")),
        changed_at=_time(changed),
    )


def _time(milliseconds: Any) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
