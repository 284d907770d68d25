"""`manage.py task_worker`: the worker for tasks that have a process each."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from taskmapr.core.jobs import QUEUE_BROWSER, QUEUE_LONG
from taskmapr.stack.checks import refuse_unsafe_start
from taskmapr.stack.programs import TASK_WORKER, become, worker_command


class Command(BaseCommand):
    help = "Carry out tasks of the queues browser and long, CELERY_CONCURRENCY at once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--name", default=TASK_WORKER, help="differs among the workers of one machine"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        become(worker_command(options["name"], [QUEUE_BROWSER, QUEUE_LONG]))
