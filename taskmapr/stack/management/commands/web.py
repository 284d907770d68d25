"""`manage.py web`: one web process at HOST and PORT, for containers and service managers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from taskmapr.stack.checks import refuse_unsafe_start
from taskmapr.stack.programs import become, server_command


class Command(BaseCommand):
    help = "Serve HTTP with the server that TASKMAPR_ASGI_SERVER names."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()
        become(server_command(settings.ASGI_SERVER, settings.HOST, settings.PORT))
