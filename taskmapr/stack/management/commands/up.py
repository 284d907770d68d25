"""`manage.py up`: everything, with one command."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskmapr.stack.checks import refuse_unsafe_start
from taskmapr.stack.errors import StackFailed
from taskmapr.stack.launch import Crew, stack_run
from taskmapr.stack.terminal import Terminal


class Command(BaseCommand):
    help = "Start the servers, web, worker and beat; Ctrl-C stops them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--web", type=int, default=1, help="web processes, at PORT, PORT+1, …")
        parser.add_argument("--workers", type=int, default=1, help="worker processes")
        parser.add_argument("--no-beat", action="store_true", help="send no scheduled jobs")

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        crew = Crew(
            web=max(1, options["web"]),
            workers=max(0, options["workers"]),
            beat=not options["no_beat"],
        )
        try:
            stack_run(crew, Terminal())
        except StackFailed as error:
            raise CommandError(str(error)) from error
