"""`manage.py beat`: sends scheduled jobs. Start as many as you like, one ticks."""

from __future__ import annotations

import logging
import os
from typing import Any

from django.core.management.base import BaseCommand

from taskmapr.celery import app
from taskmapr.stack.beat_lock import BeatLock
from taskmapr.stack.checks import refuse_unsafe_start
from taskmapr.stack.orderly_beat import OrderlyBeat

logger = logging.getLogger("taskmapr.beat")


class Command(BaseCommand):
    help = "Send scheduled jobs to the workers."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        lock = BeatLock()
        lock.take()
        lock.watch(_leave)
        OrderlyBeat(app=app, loglevel="WARNING", quiet=True).run()


def _leave() -> None:
    """A beat without its lock must not tick once more; whoever supervises starts another."""
    logger.error("The database connection that holds beat's lock broke; leaving")
    os._exit(1)
