"""A Celery application that only sends, for a process whose Django has other settings."""

from __future__ import annotations

import os

from celery import Celery

from taskmapr.settings.services import celery_broker_url

app = Celery("sending", broker=celery_broker_url(os.environ["REDIS_URL"]), set_as_current=False)
app.conf.task_ignore_result = True
