"""Stand-ins for ports, held to the same contracts: they record instead of sending."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import Parcel, WorkerInfo


@dataclass
class RecordingQueue:
    """QueuePort that keeps what it is given; `is_down` makes it refuse."""

    jobs: list[tuple[str, tuple[Any, ...], str]] = field(default_factory=list)
    is_down: bool = False

    def enqueue(self, job: str, *args: Any, queue: str, priority: int = 9) -> None:
        if self.is_down:
            raise QueueUnavailable
        self.jobs.append((job, args, queue))

    def take(self, job: str, *, queue: str, most: int) -> list[list[Any]]:
        return []

    @property
    def run_ids(self) -> list[UUID]:
        return [UUID(args[0]) for _, args, _ in self.jobs]


@dataclass
class RecordingSignals:
    """Signals that keep the bells; `alive` says which workers give signs of life."""

    bells: list[tuple[str, UUID]] = field(default_factory=list)
    alive: list[WorkerInfo] = field(default_factory=list)
    depth: int = 0

    def ring(self, worker_id: str, run_id: UUID) -> None:
        self.bells.append((worker_id, run_id))

    def workers(self) -> list[WorkerInfo]:
        return self.alive

    def queue_depths(self, queues: Any) -> dict[str, int]:
        return dict.fromkeys(queues, self.depth)


@dataclass
class RecordingLog:
    """LogTransportSync in memory: what was announced, fenced, and what a lost worker left."""

    parcels: list[Parcel] = field(default_factory=list)
    fences: dict[UUID, int] = field(default_factory=dict)
    left: dict[UUID, list[bytes]] = field(default_factory=dict)

    def announce(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)

    def fence(self, run_id: UUID, lease_token: int) -> None:
        self.fences[run_id] = lease_token

    def read(self, run_id: UUID, after: int) -> list[bytes]:
        return self.left.get(run_id, [])

    def last(self, run_id: UUID) -> bytes | None:
        return self.left[run_id][-1] if self.left.get(run_id) else None
