"""Events as bytes: packed bodies for Redis, sealed or open payloads for both stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from orchestration.page.text import storable_json
from taskmapr.core.events import CATALOGUE, Event
from taskmapr.core.ports import Sealer

#: Characters of one string in a payload that had to be made fit.
_STRING_LIMIT: Final = 1_000_000

#: The member that stands for all content members of a sealed payload.
SEALED: Final = "sealed"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it leaves the writer: payload encoded, content sealed if the run asks for it."""

    run_id: UUID
    seq: int
    kind: str
    data_json: bytes
    at: datetime


def seal_data(kind: str, data: Mapping[str, Any], sealer: Sealer | None) -> Mapping[str, Any]:
    """The payload with its content members replaced by one sealed member, if there is a sealer.

    With them is sealed what may quote them; something else stands in its place.
    """
    if sealer is None:
        return data
    row = CATALOGUE[kind]
    content = {name: data[name] for name in (*row.content_fields, *row.stand_ins) if name in data}
    if not content:
        return data
    open_part = {name: value for name, value in data.items() if name not in content}
    open_part |= {name: stand_in(data) for name, stand_in in row.stand_ins.items()}
    return {**open_part, SEALED: sealer.seal(content)}


def open_data(data: Mapping[str, Any], sealer: Sealer | None) -> Mapping[str, Any]:
    """The inverse. Without a sealer, sealed content stays absent."""
    token = data.get(SEALED)
    if token is None:
        return data
    open_part = {name: value for name, value in data.items() if name != SEALED}
    return open_part if sealer is None else {**open_part, **sealer.open(token)}


def fit_to_store(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload as JSON that both stores take.

    Models and tools may say what PostgreSQL refuses (NUL, halves of surrogate pairs) or what is no
    JSON at all; one such event must not hold up the log of every run beside it.
    """
    try:
        if b"\\u0000" not in orjson.dumps(data):
            return data
    except TypeError:
        pass
    fitted: Mapping[str, Any] = storable_json(data, string_limit=_STRING_LIMIT)
    return fitted


def encode(event: Event, sealer: Sealer | None = None) -> StoredEvent:
    data = seal_data(event.kind, event.data, sealer)
    return StoredEvent(event.run_id, event.seq, event.kind, orjson.dumps(data), event.at)


def pack(events: Iterable[StoredEvent]) -> bytes:
    """[[seq, kind, microseconds since 1970, payload], ...] as JSON."""
    return orjson.dumps(
        [
            [e.seq, e.kind, int(e.at.timestamp() * 1_000_000), orjson.Fragment(e.data_json)]
            for e in events
        ]
    )


def unpack(run_id: UUID, body: bytes, sealer: Sealer | None = None, after: int = 0) -> list[Event]:
    """The events of a packed body with seq > after."""
    return [
        Event(
            run_id,
            seq,
            kind,
            open_data(data, sealer),
            datetime.fromtimestamp(at_us / 1_000_000, UTC),
        )
        for seq, kind, at_us, data in orjson.loads(body)
        if seq > after
    ]
