"""Taking queued runs for this worker, many in one visit to the database.

While a visit is under way, the runs that arrive gather for the next one: an idle worker claims at
once, a busy one pays for a round trip per crowd instead of per run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

from django.db import InterfaceError, OperationalError

from orchestration.execution.places import admitted
from orchestration.services.leases import Claim, leases_claim
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import loss_noted

#: While Postgres is away, workers look for it this often.
AWAY_RETRY_S: Final = 0.5
#: Runs that one visit takes at most: their logs come along.
VISIT: Final = 64


class Claims:
    """For one event loop. is_draining: whether the worker is about to stop."""

    def __init__(self, worker_id: str, is_draining: Callable[[], bool]) -> None:
        self._worker_id = worker_id
        self._is_draining = is_draining
        self._asked: list[tuple[UUID, asyncio.Future[Claim | None]]] = []
        self._visits: asyncio.Task[None] | None = None

    async def claim(self, run_id: UUID) -> Claim | None:
        """The run, or None when it is not to be had. Waits for Postgres while that is away."""
        future: asyncio.Future[Claim | None] = asyncio.get_running_loop().create_future()
        self._asked.append((run_id, future))
        if self._visits is None or self._visits.done():
            self._visits = asyncio.get_running_loop().create_task(self._visit())
        return await future

    async def _visit(self) -> None:
        while self._asked:
            crowd, self._asked = self._asked[:VISIT], self._asked[VISIT:]
            try:
                claims = await self._claimed([run_id for run_id, _ in crowd])
            except Exception as error:
                for _, future in crowd:
                    if not future.done():
                        future.set_exception(error)
                continue
            for run_id, future in crowd:
                # Of two jobs for one run, one gets it.
                claim = claims.pop(run_id, None)
                if not future.done():
                    future.set_result(claim)

    async def _claimed(self, run_ids: list[UUID]) -> dict[UUID, Claim]:
        while True:
            try:
                return await in_database(_claimed, run_ids, self._worker_id)
            except (OperationalError, InterfaceError) as error:
                if not loss_noted(error) or self._is_draining():
                    raise
                await asyncio.sleep(AWAY_RETRY_S)


def _claimed(run_ids: list[UUID], worker_id: str) -> dict[UUID, Claim]:
    return admitted(leases_claim(run_ids=run_ids, worker_id=worker_id))
