"""The Celery application: queues jobs, runs workers and beat."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_shutdown

from taskmapr.foundation.broker import transport_install
from taskmapr.foundation.collector import collector_spare

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskmapr.settings")

transport_install()
app = Celery("taskmapr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _begin(**_: Any) -> None:
    """Before the first job: the loop that carries runs must be there."""
    from orchestration.execution.executor import executor_start  # noqa: PLC0415 - needs Django

    collector_spare()
    executor_start(app.amqp.queues.consume_from)


@worker_shutdown.connect
def _end(**_: Any) -> None:
    """After the last job: runs get their time to end, then go back to the queue."""
    from orchestration.execution.executor import executor  # noqa: PLC0415 - needs Django

    executor().stop()
