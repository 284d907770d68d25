"""Settings of the test suite. `tests/conftest.py` starts the servers and names them."""

from taskmapr.settings.base import *  # noqa: F403

SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"  # noqa: S105
TASKMAPR_SECRET_KEYS = ["first-master-only-for-tests-only-for-tests"]
JWT_SECRET = "signing-only-for-tests-only-for-tests-only"  # noqa: S105
DEBUG = False

# One connection per thread: tests see what they wrote, and a clone can be made and dropped.
DATABASES["default"]["OPTIONS"].pop("pool")
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
STORAGES = {
    **globals().get("STORAGES", {}),
    # Nothing is collected before tests run.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
}
TASKMAPR["offline_model_delay_ms"] = 0
# Most tests have no Redis, and post as often as they like.
TASKMAPR |= {"rate_limit_per_minute": 0, "rate_limit_address_per_minute": 0}
TASKMAPR |= {"task_assigns_per_minute": 0, "task_reads_per_minute": 0}
# `in_database` stays in the test's thread, so in its transaction.
TASKMAPR_AIO_INLINE = True
METRICS_DIR = ""
# Signing in is not what most tests are about: a real hash takes a quarter of a second.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]
# Nothing is collected: pages under test find their files where they lie.
STATIC_ROOT = None  # type: ignore[assignment]
WHITENOISE_USE_FINDERS = True
