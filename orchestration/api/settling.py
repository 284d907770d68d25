"""Rows that are about to say what the log has said already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar
from uuid import UUID

from orchestration.live import live

T = TypeVar("T")

#: Postgres has an end some milliseconds after readers heard of it. Longer than this nobody waits.
SETTLE_S: Final = 2.0
_AGAIN_S: Final = 0.01


async def settled(
    look: Callable[[], Awaitable[T]], *, run_id: Callable[[T], UUID], is_over: Callable[[T], bool]
) -> T:
    """What `look` finds; of a run that has ended by its live log, what it finds once the row says
    so too.

    Whoever was told the end of a run, by an answer, a stream or a socket, is not told afterwards
    that the run goes on. Looks once where the run is over, or is not over in the log either.
    """
    found = await look()
    if is_over(found) or not await live().has_ended(run_id(found)):
        return found
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            while not is_over(found):
                await asyncio.sleep(_AGAIN_S)
                found = await look()
    return found
