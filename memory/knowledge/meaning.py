"""Questions as vectors, quickly or not at all."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from memory.knowledge.wording import MAX_QUERY
from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed, ModelNotConfigured

logger = logging.getLogger(__name__)

#: Seconds that a search waits for the meaning of its question; then words must do.
PATIENCE_S: Final = 2.0
#: After a failure no search of this process waits again for so many seconds.
PAUSE_S: Final = 30.0
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Meaning:
    """A question as a vector, and the model that made it."""

    vector: list[float]
    model: str


class Meanings:
    """Asks the embedder; remembers the latest answers, and for a while that it failed."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Meaning] = OrderedDict()
        self._pauses_until = 0.0

    async def of(self, query: str) -> Meaning | None:
        """None when no embedding model is configured, or it does not answer in time."""
        embedder = wired.ports().embedder
        text = query.strip()[:MAX_QUERY]
        if embedder is None or not text or time.monotonic() < self._pauses_until:
            return None
        key = (embedder.model, text)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        try:
            (vector,) = await embedder.embed([text], timeout_s=PATIENCE_S)
        except (ModelFailed, ModelNotConfigured) as error:
            self._pauses_until = time.monotonic() + PAUSE_S
            logger.warning("Searches go by words alone for %g s: %s", PAUSE_S, error)
            return None
        return self._remember(key, Meaning(vector, embedder.model))

    def forget(self) -> None:
        self._known.clear()
        self._pauses_until = 0.0

    def _remember(self, key: tuple[str, str], meaning: Meaning) -> Meaning:
        self._known[key] = meaning
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return meaning


#: The one of this process.
meanings = Meanings()
