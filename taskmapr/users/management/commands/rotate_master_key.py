"""`manage.py rotate_master_key`: after a new first TASKMAPR_SECRET_KEY, wrap all data keys anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskmapr.users.services.data_keys import data_keys_rewrap


class Command(BaseCommand):
    help = (
        "Wraps every user's data key with the first secret of TASKMAPR_SECRET_KEY. Content is not "
        "touched. May be stopped and started again. Remove the old secret only when it succeeds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="keys per transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        result = data_keys_rewrap(batch=options["batch"])
        self.stdout.write(f"{result.done} data keys wrapped with the first secret.")
        if result.unreadable:
            raise CommandError(
                f"{result.unreadable} data keys open with none of the secrets: add the one that "
                "wrapped them to TASKMAPR_SECRET_KEY and run this again."
            )
