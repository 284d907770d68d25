"""What a worker does every few seconds for the runs that it holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError

from orchestration.execution.claims import AWAY_RETRY_S
from orchestration.execution.drive import HeldRun
from orchestration.execution.places import places_renew
from orchestration.models.command import CommandKind
from orchestration.services import leases
from orchestration.standby import holding
from orchestration.standby.upkeep import standby_look_after
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import SignalsAsync
from taskmapr.core.run_kinds import run_kind
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import loss_noted

logger = logging.getLogger(__name__)


class HeldRuns(dict[UUID, HeldRun]):
    """The runs of this worker by their ids."""

    def fence_off(self, run_id: UUID) -> None:
        """Another worker holds it now: stop without a word."""
        logger.warning("run %s: another worker holds it now", run_id)
        if run_id in self:
            self[run_id].abandon()

    def standing_by(self, yes: bool) -> list[HeldRun]:
        """Those whose row lies in Redis, or those of Postgres."""
        return [held for held in self.values() if (held.claim.standby is not None) is yes]


async def repeat(beat: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Until cancelled. Each beat on its own: a Redis that hangs must not keep leases from being
    renewed."""
    pause_s = settings.TASKMAPR["sign_every_s"]
    while True:
        await asyncio.sleep(pause_s)
        pause_s = settings.TASKMAPR["sign_every_s"]
        try:
            await beat()
        except (OperationalError, InterfaceError) as error:
            loss_noted(error)
            # Leases may have lapsed meanwhile: they must be ours again before recovery looks.
            pause_s = min(pause_s, AWAY_RETRY_S)
        except Exception:
            logger.exception("heartbeat failed")


class Heartbeats:
    """Leases, commands, and whether anybody still reads."""

    def __init__(self, worker_id: str, held: HeldRuns, signals: SignalsAsync) -> None:
        self._worker_id, self._held, self._signals = worker_id, held, signals
        self._unread_since: dict[UUID, float] = {}
        #: Owners of sessions that were used lately, for a time without Postgres.
        self._sessions_seen: dict[str, str] = {}

    def all(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        return (
            self.leases_renew,
            self.commands_look_for,
            self.unread_cancel,
            self.places_renew,
            self.standby_look_after,
        )

    def session_seen(self, key: str, owner_id: UUID) -> None:
        self._sessions_seen[key] = str(owner_id)

    # Leases ----------------------------------------------------------------------------------

    async def leases_renew(self) -> None:
        await self._renew(self._held.standing_by(False), leases.leases_renew)

    async def _renew(self, held: list[HeldRun], renew: Callable[..., set[UUID]]) -> None:
        if not held:
            return
        run_ids = [run.run_id for run in held]
        ours = await in_database(renew, worker_id=self._worker_id, run_ids=run_ids)
        for run in held:
            if run.run_id not in ours and self._held.get(run.run_id) is run and not run.is_ending:
                self._held.fence_off(run.run_id)

    async def places_renew(self) -> None:
        """The places that held runs take last as long as their leases."""
        with suppress(QueueUnavailable):
            await places_renew(held.claim for held in self._held.values())

    async def standby_look_after(self) -> None:
        """Runs that began without Postgres: beat, which needs it, cannot look after them."""
        try:
            await self._renew(self._held.standing_by(True), holding.standby_leases_renew)
            if seen := dict(self._sessions_seen):
                await in_database(wired.ports().standby.remember, seen)
                # Only now: what Redis did not take is told again.
                for key in seen:
                    self._sessions_seen.pop(key, None)
            await in_database(standby_look_after)
        except QueueUnavailable:
            logger.debug("nobody can look after runs that stand by: Redis is away")

    # Commands --------------------------------------------------------------------------------

    async def commands_look_for(self) -> None:
        if self._held:
            await self.commands_deliver(list(self._held))

    async def commands_deliver(self, run_ids: list[UUID]) -> None:
        """What waits for these runs reaches them, once."""
        standing_by = {held.run_id for held in self._held.standing_by(True)}.intersection(run_ids)
        if standing_by:
            await self._standby_commands_deliver(standing_by)
        stored = [run_id for run_id in run_ids if run_id not in standing_by]
        for command in await in_database(leases.commands_take, stored) if stored else ():
            held = self._held.get(command.run_id)
            if held is not None:
                data = command.data
                if held.claim.sealer is not None and "sealed" in data:
                    data = held.claim.sealer.open(data["sealed"])
                held.command(CommandKind(command.kind), command.by, data)

    async def _standby_commands_deliver(self, run_ids: set[UUID]) -> None:
        for run_id, kind, by, data in await in_database(holding.standby_commands_take, run_ids):
            if run_id in self._held:
                self._held[run_id].command(kind, by, data)

    # Readers ---------------------------------------------------------------------------------

    async def unread_cancel(self) -> None:
        """Runs that need a reader and had none for the grace period end."""
        watched = {
            run_id: held
            for run_id, held in self._held.items()
            if run_kind(held.claim.kind).needs_reader and not held.continues_unread
        }
        try:
            unread = await self._signals.unread(watched)
        except QueueUnavailable:
            # Nobody can say who reads: assume that somebody does.
            self._unread_since.clear()
            return
        now = asyncio.get_running_loop().time()
        # Also of runs that have ended.
        for run_id in self._unread_since.keys() - unread:
            del self._unread_since[run_id]
        grace_s = settings.TASKMAPR["disconnect_grace_s"]
        for run_id in unread:
            since = self._unread_since.setdefault(run_id, now)
            if now - since >= grace_s:
                watched[run_id].cancel("client_disconnected")
