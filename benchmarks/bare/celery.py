"""One Celery task that writes one row."""

from __future__ import annotations

import os
import time

from celery import Celery

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.bare.settings"

app = Celery("bare")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="bare.row_write")
def write(text: str) -> None:
    from benchmarks.bare.rows import row_write

    row_write(text)


@app.task(name="bare.begun_write")
def begun_write(asked_at: float) -> None:
    """Writes how long ago it was asked for, in seconds."""
    late_s = time.time() - asked_at
    from benchmarks.bare.rows import row_write

    row_write(str(late_s))
