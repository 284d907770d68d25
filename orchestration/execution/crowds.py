"""Things that are cheaper to do together: what gathers while some are done goes next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Crowd(Generic[T]):
    """For one event loop. do: with all that have gathered, one call at a time."""

    def __init__(self, do: Callable[[list[T]], Awaitable[object]]) -> None:
        self._do = do
        self._waiting: list[T] = []
        self._is_at_work = False

    def add(self, item: T) -> Coroutine[Any, Any, None] | None:
        """What is to be run on this loop now, if anything."""
        self._waiting.append(item)
        if self._is_at_work:
            return None
        self._is_at_work = True
        return self._work()

    async def _work(self) -> None:
        try:
            while self._waiting:
                items, self._waiting = self._waiting, []
                await self._do(items)
        finally:
            self._is_at_work = False
