"""`manage.py worker`: one worker process, for containers and service managers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from taskmapr.stack.checks import refuse_unsafe_start
from taskmapr.stack.programs import become, worker_command


class Command(BaseCommand):
    help = "Carry runs and do chores, from the queues that TASKMAPR_WORKER_QUEUES names."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--name", default="worker", help="differs among the workers of one machine"
        )
        parser.add_argument(
            "--queues",
            default="",
            help="comma list in place of TASKMAPR_WORKER_QUEUES",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        named = [queue.strip() for queue in options["queues"].split(",") if queue.strip()]
        become(worker_command(options["name"], named or settings.WORKER_QUEUES))
