"""`manage.py rotate_master_key`: after a new first TASKMAPR_SECRET_KEY, use it everywhere."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskmapr.foundation.resealing import columns_reseal
from taskmapr.users.services.data_keys import data_keys_rewrap


class Command(BaseCommand):
    help = (
        "Wraps every user's data key, and seals every stored secret, with the first secret of "
        "TASKMAPR_SECRET_KEY. Users' content is not touched. May be stopped and started again. "
        "Remove the old secret only when this succeeds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=500, help="keys per transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        keys, columns = data_keys_rewrap(batch=options["batch"]), columns_reseal()
        self.stdout.write(f"{keys.done} data keys wrapped with the first secret.")
        self.stdout.write(f"{columns.done} rows of stored secrets sealed with it.")
        if keys.unreadable or columns.unreadable:
            raise CommandError(
                f"{keys.unreadable} data keys and {columns.unreadable} rows open with none of the "
                "secrets: add the one that sealed them to TASKMAPR_SECRET_KEY and run this again."
            )
