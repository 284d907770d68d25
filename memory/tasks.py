"""Jobs. Each calls one service."""

from __future__ import annotations

from celery import shared_task

from memory.services.knowledge_embed import knowledge_embed as embed
from memory.services.knowledge_index import knowledge_refresh as refresh
from taskmapr.core import jobs


@shared_task(name=jobs.KNOWLEDGE_REFRESH, ignore_result=True)
def knowledge_refresh() -> None:
    refresh()


@shared_task(name=jobs.KNOWLEDGE_EMBED, ignore_result=True)
def knowledge_embed() -> None:
    embed()
