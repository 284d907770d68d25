"""A search as the model would see it, tried by an operator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from django.conf import settings

from memory.knowledge.meaning import meanings
from memory.knowledge.watch import watch
from memory.selectors.knowledge import ALL
from memory.selectors.knowledge_search import TOP_K, Hit, hits_as_json, knowledge_search
from memory.services.knowledge_index import knowledge_freshen
from taskmapr.core.errors import InvalidInput, NotFound
from taskmapr.foundation.aio import in_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a question found, and by what."""

    query: str
    hits: list[Hit]
    #: The result of the tool, as JSON with line breaks.
    told: str
    by_meaning: bool


async def trial_of(query: str, collection: str) -> Trial:
    """Search one collection as `knowledge.search_documentation` does."""
    if watch.has_changed(settings.KNOWLEDGE_ROOT):
        await in_database(knowledge_freshen)
    meaning = await meanings.of(query)
    search = partial(knowledge_search, query=query, collection=collection, top_k=TOP_K)
    hits: list[Hit] = []
    told: dict[str, Any]
    try:
        hits = await in_database(partial(search, names=[ALL], meaning=meaning))
        told = {"query": query, "collection": collection, "results": hits_as_json(hits)}
    except (InvalidInput, NotFound) as error:
        told = {"error": error.detail}
    text = orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
    return Trial(query=query, hits=hits, told=text, by_meaning=meaning is not None)
