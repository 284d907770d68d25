"""The tools that remember for a user: write, search, get, delete. Each sees its caller's items."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import DatabaseError

from memory.knowledge.meaning import Meaning, meanings
from memory.models.item import MAX_NAMESPACE, MAX_TAG
from memory.remembering.lately import lately_written_embed
from memory.selectors.item_search import LIMIT, MAX_LIMIT, Found, Mode, memory_items_search
from memory.selectors.items import memory_item_get
from memory.services.items import (
    MAX_TAGS,
    MAX_TEXT,
    MAX_TTL_S,
    memory_item_add,
    memory_item_delete,
)
from taskmapr.core import wired
from taskmapr.core.errors import DatabaseUnavailable, MemoryNotFound, ToolError
from taskmapr.core.ports import KeyUnavailable
from taskmapr.core.timestamps import timestamp_of
from taskmapr.core.tools import ToolContext, ToolHandler, ToolRegistry, ToolSpec, registry
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import (
    database_is_away,
    database_went_away,
    is_connection_loss,
)

#: Characters of a query: its first 32 words are looked for, its first 1,000 characters embedded.
MAX_QUERY: Final = 4_000
#: Of the items of one search as JSON: less than a job keeps of a result.
MAX_ANSWER_BYTES: Final = 900_000
_AWAY: Final = "Memory cannot be reached now: the database is down."
_NO_MODEL: Final = "No embedding model is configured: searched by keyword."
_NO_MEANING: Final = "The embedding model does not answer: searched by keyword."
_PREFIX: Final = "mem_"

Answer = dict[str, Any]
Acts = Callable[[ToolContext, dict[str, Any]], Answer]


def _write(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    ttl_s = args.get("ttl_s")
    item = memory_item_add(
        user_id=UUID(ctx.user_id),
        text=args["text"],
        tags=args.get("tags") or (),
        namespace=args.get("namespace") or "default",
        metadata=args.get("metadata"),
        # JSON Schema takes 60.0 for a whole number.
        ttl_s=None if ttl_s is None else int(ttl_s),
        source_run_id=_run_id(ctx),
    )
    return {"item_id": _item_id(item.pk), "status": "stored", "embedded": False}


def _get(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    item = memory_item_get(user_id=UUID(ctx.user_id), item_id=_uuid_of(args["item_id"]))
    return {
        "item_id": _item_id(item.id),
        "text": item.text,
        "tags": list(item.tags),
        "namespace": item.namespace,
        "metadata": item.metadata,
        "embedded": item.is_embedded,
        "created_at": timestamp_of(item.created_at),
        "expires_at": None if item.expires_at is None else timestamp_of(item.expires_at),
    }


def _delete(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    item_id = _uuid_of(args["item_id"])
    memory_item_delete(user_id=UUID(ctx.user_id), item_id=item_id)
    return {"item_id": _item_id(item_id), "status": "deleted"}


async def _search(ctx: ToolContext, args: dict[str, Any]) -> Answer:
    mode: Mode = args.get("mode") or "hybrid"
    meaning = None
    if mode != "keyword" and (meaning := await meanings.of(args["query"])) is not None:
        await lately_written_embed(UUID(ctx.user_id))
    return await in_database(_own(partial(_searched, meaning=meaning)), ctx, args)


def _searched(ctx: ToolContext, args: dict[str, Any], meaning: Meaning | None = None) -> Answer:
    asked: Mode = args.get("mode") or "hybrid"
    mode: Mode = "keyword" if meaning is None else asked
    found = memory_items_search(
        user_id=UUID(ctx.user_id),
        query=args["query"],
        mode=mode,
        meaning=meaning,
        limit=int(args.get("limit") or LIMIT),
        tags=args.get("tags") or (),
        namespace=args.get("namespace"),
    )
    items = _fitting([_told(item) for item in found])
    warnings = []
    if mode != asked:
        warnings.append(_NO_MODEL if wired.ports().embedder is None else _NO_MEANING)
    if left_out := len(found) - len(items):
        warnings.append(f"{left_out} more were found and left out: too long for one answer.")
    answer: Answer = {"items": items, "count": len(items), "mode": mode}
    return answer | {"warnings": warnings} if warnings else answer


def _fitting(items: list[Answer]) -> list[Answer]:
    """The first of them that are at most MAX_ANSWER_BYTES together."""
    sizes = accumulate(len(orjson.dumps(item)) for item in items)
    return [item for item, size in zip(items, sizes, strict=True) if size <= MAX_ANSWER_BYTES]


def _told(item: Found) -> Answer:
    return {
        "item_id": _item_id(item.id),
        "text": item.text,
        "tags": list(item.tags),
        "score": item.score,
        "semantic_score": item.semantic_score,
        "keyword_score": item.keyword_score,
        "created_at": timestamp_of(item.created_at),
        "metadata": item.metadata,
    }


def _item_id(item_id: UUID) -> str:
    return f"{_PREFIX}{item_id.hex}"


def _uuid_of(item_id: str) -> UUID:
    """Raises MemoryNotFound for what is no id, as for an id of nothing."""
    digits = item_id.removeprefix(_PREFIX)
    try:
        if digits == item_id or len(digits) != 32:
            raise MemoryNotFound
        return UUID(hex=digits)
    except ValueError:
        raise MemoryNotFound from None


def _run_id(ctx: ToolContext) -> UUID | None:
    """None for a call outside of a run, such as an operator's trial."""
    try:
        return UUID(ctx.run_id)
    except ValueError:
        return None


def _own(acts: Acts) -> Acts:
    """The same, saying in words when the caller's key is gone."""

    def act(ctx: ToolContext, args: dict[str, Any]) -> Answer:
        try:
            return acts(ctx, args)
        except KeyUnavailable as error:
            told = "What is remembered for this account cannot be opened: its key is gone."
            raise ToolError("memory_sealed", told, 410) from error

    return act


def _waiting_for(acts: Acts) -> ToolHandler:
    async def handle(ctx: ToolContext, args: dict[str, Any]) -> Answer:
        return await in_database(acts, ctx, args)

    return handle


def _reached(handler: ToolHandler, *, only_reads: bool) -> ToolHandler:
    """While the database is away: DatabaseUnavailable. A write whose connection broke in the middle
    may have happened, so its error stays what it is."""

    async def handle(ctx: ToolContext, args: dict[str, Any]) -> Any:
        if database_is_away():
            raise DatabaseUnavailable(_AWAY)
        try:
            return await handler(ctx, args)
        except DatabaseError as error:
            if not is_connection_loss(error):
                raise
            database_went_away(error)
            if not only_reads:
                raise
            raise DatabaseUnavailable(_AWAY) from error

    return handle


def register(into: ToolRegistry | None = None) -> list[ToolSpec]:
    """Put the four `memory` tools into a registry (the process's one when none is given).

    All are answered by the database alone, inside the caller's transaction if it likes; but a
    search asks the embedding model first, when there is one.
    """
    asks_a_model = wired.ports().embedder is not None
    return [
        _register(into, "write", _WRITE, _own(_write)),
        _register(into, "search", _QUERY, _own(_searched), handler=_search, waits=asks_a_model),
        _register(into, "get", _ITEM, _own(_get)),
        _register(into, "delete", _ITEM, _own(_delete), is_idempotent=True),
    ]


def _register(
    into: ToolRegistry | None,
    verb: str,
    schema: dict[str, Any],
    acts: Acts,
    *,
    handler: ToolHandler | None = None,
    waits: bool = False,
    is_idempotent: bool = False,
) -> ToolSpec:
    """acts: what the database alone does. handler: what is done instead by those who may wait;
    waits: everybody must."""
    only_reads = verb in {"search", "get"}
    spec = ToolSpec(
        name=f"memory.{verb}",
        summary=_SUMMARIES[verb],
        input_schema=schema,
        handler=_reached(handler or _waiting_for(acts), only_reads=only_reads),
        danger="read" if only_reads else "write",
        has_effect=not only_reads,
        volatile=only_reads,
        is_idempotent=is_idempotent or only_reads,
        in_transaction=None if waits else acts,
        timeout_s=20,
    )
    return (into or registry).add(spec)


_SUMMARIES: Final = {
    "write": "Remember a text for the user, for good or for a time.",
    "search": "Find what is remembered about the user, by words and by meaning.",
    "get": "Read one remembered item.",
    "delete": "Forget one remembered item.",
}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_TAGS: Final = {
    "type": ["array", "null"],
    "items": {"type": "string", "minLength": 1, "maxLength": MAX_TAG},
    "maxItems": MAX_TAGS,
}
_NAMESPACE: Final = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_NAMESPACE}
_WRITE: Final = _object(
    ["text"],
    text={"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "description": "what to keep"},
    tags=_TAGS | {"description": "words to find it by; `preference`: how the user likes things"},
    namespace=_NAMESPACE | {"description": "a drawer of its own; default `default`"},
    metadata={"type": ["object", "null"], "description": "anything that belongs to it"},
    ttl_s={
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": MAX_TTL_S,
        "description": "seconds until it is forgotten; default never",
    },
)
_QUERY: Final = _object(
    ["query"],
    query={"type": "string", "minLength": 1, "maxLength": MAX_QUERY, "description": "in words"},
    limit={
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": MAX_LIMIT,
        "description": f"how many items, default {LIMIT}",
    },
    tags=_TAGS | {"description": "only items that have all of these"},
    namespace=_NAMESPACE | {"description": "only items of this one; default all"},
    mode={
        "enum": ["hybrid", "semantic", "keyword", None],
        "description": "by meaning and words, by meaning, or by words; default hybrid",
    },
)
_ITEM: Final = _object(
    ["item_id"], item_id={"type": "string", "maxLength": 100, "description": "`mem_…`"}
)
