"""Rows that are about to say what the log has said already.

Whoever was told by an answer, a stream or a socket that a run has ended, or waits for a person, is
not told afterwards by a row that it goes on. Only rows that say `running` can be behind their log:
every other word is written before it is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from orchestration.live import live
from orchestration.selectors.runs import runs_running
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import asked_or

T = TypeVar("T")

#: Postgres has an end some milliseconds after readers heard of it. Longer than this nobody waits.
SETTLE_S: Final = 2.0
_AGAIN_S: Final = 0.01


async def settled(
    look: Callable[[], Awaitable[T]], *, running: Callable[[T], Collection[UUID]]
) -> T:
    """What `look` finds; looked for again when the rows that it saw as `running` were behind.

    The live log is asked only where there are such rows, once for all of them.
    """
    found = await look()
    return await look() if await rows_settle(running(found)) else found


async def rows_settle(run_ids: Collection[UUID]) -> bool:
    """Return when the rows of these runs say what their live log says. False: they did already."""
    behind: Collection[UUID] = await live().at_rest(run_ids)
    if not behind:
        return False
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            while behind:
                await asyncio.sleep(_AGAIN_S)
                behind = await rows_running(id__in=behind)
    return True


async def rows_running(**which: Any) -> list[UUID]:
    """See `runs_running`. None while Postgres is away: what is told then is in Redis."""
    return await in_database(asked_or, partial(runs_running, **which), list)


async def begun_when_settled(
    begin: Callable[[], Awaitable[T]], *, refused: type[TaskMaprError], **behind: Any
) -> T:
    """What `begin` gives; begun again where it was refused because of runs whose rows are behind:
    whoever was told the end of one may begin another.

    behind: which these may be, as of `filter`. Begun again in any case: their rows may have been
    written since.
    """
    try:
        return await begin()
    except refused:
        await rows_settle(await rows_running(**behind))
    return await begin()
