"""The queue: Celery on Redis.

A job is put on its queue as Celery would put it (task protocol 2 in kombu's Redis envelope, both
documented and stable), in one command on a kept connection: kombu's own producer makes a client per
message, which costs more than the rest of a run's start in the web process.
"""

from __future__ import annotations

import os
import socket
from base64 import b64encode
from typing import Any, Final
from uuid import uuid4

import orjson
from redis import Redis
from redis.exceptions import RedisError

from taskmapr.core.errors import QueueUnavailable

#: Callbacks, errbacks, chain and chord of the task: none.
_EMBEDDED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class CeleryQueue:
    """QueuePort that sends jobs by name. Never waits for long: a queue that is down is said so."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def enqueue(self, job: str, *args: Any, queue: str) -> None:
        try:
            # kombu keeps a queue as a Redis list of the same name; workers take from its right end.
            self._client.lpush(queue, job_message(job, args, queue))
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error


def job_message(job: str, args: tuple[Any, ...], queue: str) -> bytes:
    """One task message as it lies on the queue.

    Source: docs.celeryq.dev/en/stable/internals/protocol.html (version 2).
    """
    job_id = str(uuid4())
    return orjson.dumps(
        {
            "body": b64encode(orjson.dumps([args, {}, _EMBEDDED])).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": job,
                "id": job_id,
                "root_id": job_id,
                "parent_id": None,
                "group": None,
                "group_index": None,
                "shadow": None,
                "eta": None,
                "expires": None,
                "retries": 0,
                "timelimit": [None, None],
                "argsrepr": repr(args),
                "kwargsrepr": "{}",
                "origin": f"{os.getpid()}@{socket.gethostname()}",
                "ignore_result": True,
                "replaced_task_nesting": 0,
                "stamped_headers": None,
                "stamps": {},
            },
            "properties": {
                "correlation_id": job_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
            },
        }
    )
