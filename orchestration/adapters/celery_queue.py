"""The queue: Celery on Redis.

A job is put on its queue as Celery would put it (task protocol 2 in kombu's Redis envelope, both
documented and stable), in one command on a kept connection: kombu's own producer makes a client per
message, which costs more than the rest of a run's start in the web process.
"""

from __future__ import annotations

import os
import socket
from base64 import b64decode, b64encode
from typing import Any, Final
from uuid import uuid4

import orjson
from redis import Redis
from redis.exceptions import RedisError

from taskmapr.core.errors import QueueUnavailable

#: Between the name of a queue and the step of its list.
_SEPARATOR: Final = "\x06\x16"
#: Callbacks, errbacks, chain and chord of the task: none.
_EMBEDDED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class CeleryQueue:
    """QueuePort that sends jobs by name. Never waits for long: a queue that is down is said so."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._take = client.register_script(_TAKE)

    def enqueue(self, job: str, *args: Any, queue: str, priority: int = 9) -> None:
        try:
            # kombu keeps a queue as Redis lists; workers take from their right ends.
            self._client.lpush(list_name(queue, priority), job_message(job, args, queue))
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error

    def take(self, job: str, *, queue: str, most: int) -> list[list[Any]]:
        mark = f'"task":{orjson.dumps(job).decode()}'
        try:
            messages = self._take(keys=list_names(queue), args=[mark, most])
        except (RedisError, OSError):
            return []
        return [_args_of(message) for message in messages]


# Only what this module wrote itself is recognised; other messages stay where they are, and so does
# what lies behind them. KEYS: the lists of a queue. ARGV: the mark of a job, how many at most.
_TAKE: Final = """
local taken = {}
for _, key in ipairs(KEYS) do
  while #taken < tonumber(ARGV[2]) do
    local message = redis.call('LINDEX', key, -1)
    if not message or not string.find(message, ARGV[1], 1, true) then break end
    redis.call('RPOP', key)
    taken[#taken + 1] = message
  end
end
return taken
"""


def list_name(queue: str, priority: int) -> str:
    """The list for jobs of a priority from 0 to 9, the greatest first.

    kombu's Redis transport keeps four lists per queue and empties them in this order; there, 0 is
    the first. Source: docs.celeryq.dev/en/stable/userguide/routing.html#redis-message-priorities.
    """
    step = next(step for least, step in ((8, 0), (5, 3), (2, 6), (0, 9)) if priority >= least)
    return f"{queue}{_SEPARATOR}{step}" if step else queue


def list_names(queue: str) -> list[str]:
    """All lists of a queue."""
    return [list_name(queue, priority) for priority in (9, 5, 2, 0)]


def _args_of(message: bytes) -> list[Any]:
    """The positional arguments of a message that `job_message` made."""
    args, _, _ = orjson.loads(b64decode(orjson.loads(message)["body"]))
    return list(args)


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
