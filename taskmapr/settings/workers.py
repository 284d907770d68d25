"""Queues and who serves them; Celery's results; Flower."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

from taskmapr.core import jobs
from taskmapr.settings.env import Env

#: What an ordinary worker serves: work that mostly waits, on one event loop.
_SHARED = ["runs.overlay", "agent", "default", "deliveries", "chores"]
#: Their tasks have a process each: browsers, and what needs a whole processor.
_OWN_PROCESS = [jobs.QUEUE_BROWSER, jobs.QUEUE_LONG]
_RESULT_SCHEMES = frozenset({"redis", "rediss", "redis+socket"})
_FLOWER_USERS = re.compile(r"[^:,\s]+:[^,\s]+(,[^:,\s]+:[^,\s]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    #: Served by ordinary workers.
    shared: list[str]
    #: Those of tasks with a process of their own that ordinary workers leave out: of another one.
    own_process: list[str]
    #: Processes for tasks that one worker has at once.
    processes: int

    @property
    def all(self) -> list[str]:
        return [*self.shared, *self.own_process]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowerSettings:
    """Celery's own monitor, where it is installed."""

    host: str
    port: int
    #: `name:password`, several with commas; empty: everybody.
    users: str = field(repr=False)

    @property
    def is_open(self) -> bool:
        """Others than this machine can reach it, and nobody is asked who he is."""
        return not self.users and self.host not in {"127.0.0.1", "::1", "localhost"}


def queues_of(env: Env) -> Queues:
    shared = env.words("TASKMAPR_WORKER_QUEUES", _SHARED)
    return Queues(
        shared=shared,
        own_process=[queue for queue in _OWN_PROCESS if queue not in shared],
        processes=env.integer("CELERY_CONCURRENCY", os.cpu_count() or 1, minimum=1),
    )


def result_backend_of(env: Env, broker_url: str) -> str:
    """Where Celery keeps results of jobs that ask for it: as a rule beside its queues. Ours ask for
    none, what a run came to is in the database. Raises ImproperlyConfigured."""
    url = env.text("CELERY_RESULT_BACKEND", broker_url)
    if url == "disabled":
        return "disabled://"
    parts = urlsplit(url)
    if parts.scheme not in _RESULT_SCHEMES:
        raise ImproperlyConfigured(
            "CELERY_RESULT_BACKEND must be an address such as redis://host:6379/1, or disabled"
        )
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parts.query:
        # Celery does not start without a word about certificates.
        query = f"{parts.query}&ssl_cert_reqs=required".lstrip("&")
        return urlunsplit(parts._replace(query=query))
    return url


def flower_of(env: Env) -> FlowerSettings:
    """Raises ImproperlyConfigured, without the value, which is a secret."""
    users = env.text("FLOWER_BASIC_AUTH")
    if users and not _FLOWER_USERS.fullmatch(users):
        raise ImproperlyConfigured("FLOWER_BASIC_AUTH must be name:password, several with commas")
    return FlowerSettings(
        host=env.text("FLOWER_ADDRESS", "127.0.0.1"),
        port=env.integer("FLOWER_PORT", 5555, minimum=1, maximum=65535),
        users=users,
    )
