"""The queue: Celery on Redis."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from taskmapr.core.errors import QueueUnavailable


class CeleryQueue:
    """QueuePort that sends jobs by name. Never waits for long: a queue that is down is said so."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def enqueue(self, job: str, *args: Any, queue: str) -> None:
        try:
            self._app.send_task(job, args=args, queue=queue, ignore_result=True, retry=False)
        except (KombuError, RedisError, OSError) as error:
            raise QueueUnavailable from error
