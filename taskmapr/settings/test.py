"""Settings of the test suite. `tests/conftest.py` starts the servers and names them here."""

from taskmapr.settings.base import *  # noqa: F403

SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"  # noqa: S105
