"""Chores of accounts."""

from __future__ import annotations

from celery import shared_task

from taskmapr.core.jobs import QUEUE_CHORES, TOKENS_PRUNE, USERS_ERASE
from taskmapr.users.services.erasure import users_erase
from taskmapr.users.services.sign_ins import tokens_prune as prune


@shared_task(name=TOKENS_PRUNE, queue=QUEUE_CHORES, time_limit=300, soft_time_limit=280)
def tokens_prune() -> int:
    return prune()


@shared_task(name=USERS_ERASE, queue=QUEUE_CHORES, time_limit=3600, soft_time_limit=3500)
def users_erase_requested() -> dict[str, int]:
    return dict(users_erase())
