"""The least that Django and Celery need: what TaskMapr's intents and tasks are compared with."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

from taskmapr.settings.services import celery_broker_url

_database = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "benchmark"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["rest_framework"]
ROOT_URLCONF = "benchmarks.bare.urls"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path.lstrip("/"),
        "USER": _database.username or "",
        "HOST": parse_qs(_database.query).get("host", [_database.hostname or ""])[0],
        "PORT": str(_database.port or parse_qs(_database.query).get("port", [""])[0]),
        "OPTIONS": {"pool": {"min_size": 2, "max_size": 16}},
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}
CELERY_BROKER_URL = celery_broker_url(os.environ["REDIS_URL"])
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "bare"
