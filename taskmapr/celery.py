"""The Celery application: queues jobs, runs workers and beat."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskmapr.settings")

app = Celery("taskmapr")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
