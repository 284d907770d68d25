"""What was written a moment ago is found by meaning as well, before the job has come to it."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final
from uuid import UUID

from memory.knowledge.meaning import PATIENCE_S
from memory.services.items_embed import memory_items_waiting, memory_vectors_store
from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed, ModelNotConfigured
from taskmapr.foundation.aio import in_database

logger = logging.getLogger(__name__)

#: Items that a search embeds first; more are left to the job.
LATELY: Final = 16


async def lately_written_embed(user_id: UUID) -> None:
    """The user's latest items without a vector have one, unless the model does not answer in
    PATIENCE_S seconds or refuses one of them; then the job does it."""
    embedder = wired.ports().embedder
    if embedder is None:
        return
    model = embedder.model
    wanted = partial(memory_items_waiting, user_id=user_id, model=model, limit=LATELY)
    if not (waiting := await in_database(wanted)):
        return
    try:
        vectors = await embedder.embed([one.text for one in waiting], timeout_s=PATIENCE_S)
    except (ModelFailed, ModelNotConfigured) as error:
        logger.info("Memory: %d items are left to the job: %s", len(waiting), error)
        return
    pairs = [(one.row, vector) for one, vector in zip(waiting, vectors, strict=True)]
    await in_database(partial(memory_vectors_store, model=model, vectors=pairs))
