"""The stack as a Django app: its commands and the start-up checks."""

from __future__ import annotations

import sys
from pathlib import Path

from django.apps import AppConfig
from django.core.checks import register


class StackConfig(AppConfig):
    name = "taskmapr.stack"
    label = "stack"
    verbose_name = "Stack"

    def ready(self) -> None:
        from taskmapr.stack import checks  # noqa: PLC0415 - needs the settings, so not before ready

        register(checks.check_secrets, checks.TAG)
        register(checks.check_exposure, checks.TAG)
        register(checks.check_sign_in, checks.TAG)
        register(checks.check_database, checks.TAG)
        if Path(sys.argv[0]).name != "manage.py":
            # A server: commands run their checks themselves, or (`up`, `beat`) call this first.
            checks.refuse_unsafe_start()
