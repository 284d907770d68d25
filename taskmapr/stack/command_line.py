"""`manage.py`, with one line instead of a traceback for what a person can put right."""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from taskmapr.foundation.collector import collector_spare


def main() -> None:
    collector_spare()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskmapr.settings")
    try:
        # A command is one thread: it needs no pool, which would hide why it cannot connect.
        settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"TaskMapr's settings: {error}")
    except OperationalError as error:
        if "connection" not in str(error):
            raise
        first_line = str(error).strip().splitlines()[0]
        sys.exit(
            f"No database: {first_line}\n"
            "Start the embedded one with `make up` in another terminal, or set DATABASE_URL."
        )
