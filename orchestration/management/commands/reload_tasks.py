from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orchestration.selectors.task_types import task_type_problems, task_types_all
from orchestration.services.task_types import task_types_reload


class Command(BaseCommand):
    """Makes all processes look for types of tasks anew: after a package was installed."""

    help = "Let every process look for types of tasks anew, without a restart"

    def handle(self, *args: Any, **options: Any) -> None:
        task_types_reload()
        for problem in task_type_problems():
            self.stderr.write(f"{problem.where}: {problem.message}")
        self.stdout.write(f"{len(task_types_all())} types of tasks")
