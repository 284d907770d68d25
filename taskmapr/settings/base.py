"""Settings that hold everywhere."""

from __future__ import annotations

from pathlib import Path

from taskmapr.settings.env import ROOT, env

VERSION = "0.1.0"
BASE_DIR = ROOT
DATA_DIR = Path(env.text("TASKMAPR_DATA_DIR", str(ROOT / ".taskmapr"))).resolve()
SITE_NAME = "TaskMapr"

DEBUG = False
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
ROOT_URLCONF = "taskmapr.urls"
ASGI_APPLICATION = "taskmapr.asgi.application"
AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "rest_framework",
    "taskmapr.foundation",
    "taskmapr.users",
    "agents_cfg",
    "orchestration",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [ROOT / "taskmapr" / "static"]

# What is ours. Names carry their unit; each is read from TASKMAPR_<NAME> once, here.
TASKMAPR = {
    # streams
    "heartbeat_s": env.number("TASKMAPR_HEARTBEAT_SECONDS", 15, minimum=0.1),
    "disconnect_grace_s": env.number("TASKMAPR_DISCONNECT_GRACE_S", 30),
    "max_body_bytes": env.integer("TASKMAPR_MAX_BODY_BYTES", 4 * 1024 * 1024, minimum=1024),
    # runs
    "max_turns": env.integer("TASKMAPR_MAX_TURNS", 24, minimum=1),
    "run_timeout_s": env.number("TASKMAPR_RUN_TIMEOUT_S", 300, minimum=1),
    "run_slots": env.integer("TASKMAPR_RUN_SLOTS", 600, minimum=1),
    "lease_ttl_s": env.number("TASKMAPR_LEASE_TTL_S", 15, minimum=1),
    "no_worker_after_s": env.number("TASKMAPR_NO_WORKER_AFTER_S", 30, minimum=1),
    # what is kept
    "events_retention_h": env.integer("TASKMAPR_EVENTS_RETENTION_H", 24, minimum=24),
    "snapshot_retention_days": env.integer("TASKMAPR_SNAPSHOT_RETENTION_DAYS", 30, minimum=1),
    "session_ttl_days": env.integer("TASKMAPR_SESSION_TTL_DAYS", 0),  # 0 = for ever
    # models
    "default_model": env.text("TASKMAPR_DEFAULT_MODEL", "gpt-5-mini"),
    "openai_api_key": env.text("OPENAI_API_KEY"),
    "openai_base_url": env.text("OPENAI_BASE_URL"),
    "offline_model_delay_ms": env.integer("TASKMAPR_OFFLINE_MODEL_DELAY_MS", 15),
    # limits per principal
    "rate_limit_per_minute": env.integer("TASKMAPR_RATE_LIMIT_PER_MINUTE", 60, minimum=1),
}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    # Files that runs produce. Never served as static files: a view checks who asks.
    "artifacts": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "artifacts"},
    },
}
