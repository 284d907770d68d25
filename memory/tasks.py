"""Jobs. Each calls one service."""

from __future__ import annotations

from celery import shared_task

from memory.services.items_embed import memory_items_embed
from memory.services.items_reseal import memory_items_reseal
from memory.services.knowledge_embed import knowledge_embed as embed
from memory.services.knowledge_index import knowledge_refresh as refresh
from taskmapr.core import jobs


@shared_task(name=jobs.KNOWLEDGE_REFRESH, ignore_result=True)
def knowledge_refresh() -> None:
    refresh()


@shared_task(name=jobs.KNOWLEDGE_EMBED, ignore_result=True)
def knowledge_embed() -> None:
    embed()


@shared_task(name=jobs.MEMORY_ITEMS_EMBED, ignore_result=True)
def items_embed() -> None:
    memory_items_embed()


@shared_task(name=jobs.MEMORY_ITEMS_RESEAL, ignore_result=True)
def items_reseal() -> None:
    memory_items_reseal()
