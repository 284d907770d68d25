"""`manage.py flower`: Celery's own monitor, where it is installed."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from taskmapr.stack.checks import refuse_unsafe_start
from taskmapr.stack.programs import become, flower_command


class Command(BaseCommand):
    help = "Show queues and workers in Flower, at FLOWER_ADDRESS and FLOWER_PORT."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        flower = settings.FLOWER
        if flower.is_open:
            raise CommandError(
                f"Flower would let everybody in at {flower.host}: set FLOWER_BASIC_AUTH "
                "(name:password)."
            )
        if find_spec("flower") is None:
            raise CommandError(
                "Flower is not installed: python requirements/install.py flower adds it."
            )
        # Flower reads settings of this name itself; an empty one would be a user without a name.
        os.environ.pop("FLOWER_BASIC_AUTH", None)
        if flower.users:
            os.environ["FLOWER_BASIC_AUTH"] = flower.users
        become(flower_command(flower.host, flower.port))
