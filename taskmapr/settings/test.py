"""Settings of the test suite. `tests/conftest.py` starts the servers and names them here."""

from pathlib import Path

import certifi

from taskmapr.settings.base import *  # noqa: F403
from taskmapr.settings.database import HostedTls, database_settings
from taskmapr.settings.env import env

SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"  # noqa: S105

# One connection per thread: tests see what they wrote, and a clone can be made and dropped.
DATABASES = {
    "default": database_settings(
        env.text("DATABASE_URL"), tls=HostedTls(roots=Path(certifi.where())), pool=None
    )
}
REDIS_URL = env.text("REDIS_URL")
TASKMAPR = {**TASKMAPR, "offline_model_delay_ms": 0}
