"""One Celery task that writes one row."""

from __future__ import annotations

import os

from celery import Celery

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.bare.settings"

app = Celery("bare")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="bare.row_write")
def write(text: str) -> None:
    from benchmarks.bare.rows import row_write

    row_write(text)
