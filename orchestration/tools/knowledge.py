"""The tools that read the knowledge folder: what there is, what fits a question, one document."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError

from memory.knowledge.meaning import meanings
from memory.knowledge.watch import watch
from memory.selectors.knowledge import collections_listed, document_content
from memory.selectors.knowledge_search import (
    MAX_TOP_K,
    TOP_K,
    hits_as_json,
    knowledge_search,
)
from memory.services.knowledge_index import knowledge_freshen
from taskmapr.core.errors import DatabaseUnavailable, TaskMaprError
from taskmapr.core.tools import ToolContext, ToolRegistry, ToolSpec, tool
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import database_is_away, loss_noted

_AWAY: Final = "Knowledge cannot be read now: the database is down."

Answer = dict[str, Any]
Reads = Callable[[Collection[str], dict[str, Any]], Awaitable[Answer]]


async def _list(names: Collection[str], args: dict[str, Any]) -> Answer:
    rows = await in_database(collections_listed, names)
    return {"collections": [{"name": row.name, "documents": row.documents} for row in rows]}


async def _search(names: Collection[str], args: dict[str, Any]) -> Answer:
    query, collection = _text(args, "query"), _text(args, "collection") or None
    hits = await in_database(
        partial(
            knowledge_search,
            query=query,
            collection=collection,
            top_k=args.get("top_k") or TOP_K,
            names=names,
            meaning=await meanings.of(query),
        )
    )
    return {"query": query, "collection": collection, "results": hits_as_json(hits)}


async def _read(names: Collection[str], args: dict[str, Any]) -> Answer:
    wanted = {name: _text(args, name) for name in ("collection", "document")}
    content = await in_database(partial(document_content, **wanted, names=names))
    return {**wanted, "content": content}


def _text(args: dict[str, Any], name: str) -> str:
    """An argument without NUL characters, which the database takes for an error."""
    return str(args.get(name) or "").replace("\0", " ")


async def _answered(reads: Reads, ctx: ToolContext, args: dict[str, Any]) -> Answer:
    """What the tool says; a refusal, and a database that is away, as {"error": text}."""
    if database_is_away():
        return {"error": _AWAY}
    try:
        # Looking through a folder takes no database thread from those who need one.
        if await asyncio.to_thread(watch.has_changed, settings.KNOWLEDGE_ROOT):
            await in_database(knowledge_freshen)
        return await reads(_allowed(ctx), args)
    except DatabaseUnavailable:
        return {"error": _AWAY}
    except TaskMaprError as error:
        return {"error": error.detail}
    except DatabaseError as error:
        if not loss_noted(error):
            raise
        return {"error": _AWAY}


def _allowed(ctx: ToolContext) -> Collection[str]:
    """The collections of the run's profile; a run without one sees none."""
    names: Collection[str] = ctx.options.get("knowledge", {}).get("collections", ())
    return names


def register(into: ToolRegistry | None = None) -> list[ToolSpec]:
    """Put the four `knowledge` tools into a registry (the process's one when none is given)."""
    return [_register(into, *row) for row in _TOOLS]


def _register(
    into: ToolRegistry | None, name: str, reads: Reads, summary: str, schema: dict[str, Any]
) -> ToolSpec:
    @tool(name, summary=summary, input_schema=schema, danger="read", timeout_s=20, into=into)
    async def act(ctx: ToolContext, args: dict[str, Any]) -> Any:
        return await _answered(reads, ctx, args)

    return act


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_QUERY: Final = _object(
    ["query"],
    query={"type": "string", "description": "what to look for, in words"},
    collection={
        "type": ["string", "null"],
        "description": "search only this collection; default all",
    },
    top_k={
        "type": ["integer", "null"],
        "description": f"how many documents, 1 to {MAX_TOP_K}, default {TOP_K}",
    },
)
_DOCUMENT: Final = _object(
    ["collection", "document"],
    collection={"type": "string", "description": "as the search named it"},
    document={"type": "string", "description": "path in the collection, as the search named it"},
)

#: Name of the tool, what answers, what the model is told, its arguments.
_TOOLS: Final[tuple[tuple[str, Reads, str, dict[str, Any]], ...]] = (
    (
        "knowledge.list_knowledge_collections",
        _list,
        "List the collections of documentation that can be searched.",
        _object([]),
    ),
    (
        "knowledge.search_documentation",
        _search,
        "Search the documentation for facts that the page does not show.",
        _QUERY,
    ),
    (
        "knowledge.search_knowledge",
        _search,
        "The same as search_documentation.",
        _QUERY,
    ),
    (
        "knowledge.read_knowledge_document",
        _read,
        "Read a whole document that a search found.",
        _DOCUMENT,
    ),
)
