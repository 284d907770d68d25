"""Settings that hold everywhere."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from taskmapr.core import jobs
from taskmapr.foundation.telemetry.logs import logging_config
from taskmapr.settings.admin_look import UNFOLD  # noqa: F401 - read by the admin's theme
from taskmapr.settings.browser import browser_of, esc_of
from taskmapr.settings.cross_origin import *  # noqa: F403
from taskmapr.settings.egress import egress_policy_of, webhook_secret_of
from taskmapr.settings.env import ROOT, env
from taskmapr.settings.files import artifact_storage_of
from taskmapr.settings.knowledge import embedding_model_of, knowledge_root_of
from taskmapr.settings.log_files import log_files_of
from taskmapr.settings.secrets import secrets_of, seeded_key_of
from taskmapr.settings.services import celery_broker_url, databases_of, services_of
from taskmapr.settings.sign_in import external_sign_in_of
from taskmapr.settings.web import *  # noqa: F403
from taskmapr.settings.workers import flower_of, queues_of, result_backend_of

VERSION = "0.1.0"
BASE_DIR = ROOT
DATA_DIR = Path(env.text("TASKMAPR_DATA_DIR", str(ROOT / ".taskmapr"))).resolve()

ENV = env.choice("ENV", ("dev", "test", "prod"), default="dev")
DEBUG = env.flag("DJANGO_DEBUG", default=ENV == "dev")
# The first name that is set wins.
HOST = env.text("TASKMAPR_HOST", env.text("FASTAPI_HOST", env.text("HOST", "127.0.0.1")))
PORT = env.integer(
    "TASKMAPR_PORT",
    env.integer(
        "FASTAPI_PORT",
        env.integer("PORT", 8000, minimum=1, maximum=65535),
        minimum=1,
        maximum=65535,
    ),
    minimum=1,
    maximum=65535,
)
#: The address that people and links use; behind a proxy it differs from HOST and PORT.
PUBLIC_URL = env.text("TASKMAPR_PUBLIC_URL", f"http://localhost:{PORT}").rstrip("/")
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS",
    ["localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname or "localhost"],
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
ROOT_URLCONF = "taskmapr.urls"
ASGI_APPLICATION = "taskmapr.asgi.application"
AUTH_USER_MODEL = "users.User"
#: Who signs in without having come from a page (a bookmark of the sign-in page) goes there.
LOGIN_REDIRECT_URL = "admin:index"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "taskmapr.foundation",
    "taskmapr.users",
    "agents_cfg",
    "memory",
    "billing",
    "orchestration",
    "taskmapr.stack",
    "taskmapr.demo",
    "taskmapr.demo.esc",
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

#: Not /static/: there lie the files of tasks, which belong to somebody.
STATIC_URL = "/assets/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [ROOT / "taskmapr" / "static"]

#: Processes of one machine keep their figures side by side here; in memory when it is empty.
METRICS_DIR = str(DATA_DIR / "metrics" / socket.gethostname())

# Where the servers are ---------------------------------------------------------------------------

_services = services_of(env, DATA_DIR)
EMBEDDED_POSTGRES = _services.embedded_postgres
EMBEDDED_REDIS = _services.embedded_redis
DATABASES, DATABASE_WARNINGS = databases_of(
    env,
    _services,
    DATA_DIR,
    # Connections are made when wanted and checked when taken; a burst waits instead of growing.
    pool={
        "min_size": 0,
        "max_size": env.integer("TASKMAPR_DB_POOL_SIZE", 16, minimum=1),
        "timeout": env.number("TASKMAPR_DB_POOL_TIMEOUT_S", 10, minimum=0.1),
    },
)
REDIS_URL = _services.redis_url

CELERY_BROKER_URL = celery_broker_url(REDIS_URL)
CELERY_RESULT_BACKEND = result_backend_of(env, CELERY_BROKER_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "chores"
CELERY_TIMEZONE = "UTC"
# Redelivery is no recovery: a lease in the database says who works, a lapsed one is found there.
# So the broker's own timer only has to be longer than any task (a task ends within seconds).
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
_knowledge_every_s = env.number("TASKMAPR_KNOWLEDGE_EVERY_S", 15, minimum=1)
#: Chores that wait longer than their interval are dropped: the next one does the same work.
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": every_s, "options": {"queue": "chores", "expires": every_s}}
    for name, every_s in (
        (jobs.RUNS_RECOVER, env.number("TASKMAPR_RECOVERY_EVERY_S", 5, minimum=0.5)),
        (jobs.APPROVALS_EXPIRE, 5.0),
        (jobs.RETENTION_APPLY, 3600.0),
        (jobs.PARTITIONS_ENSURE, 24 * 3600.0),
        (jobs.IDEMPOTENCY_KEYS_PRUNE, 600.0),
        (jobs.MCP_SERVERS_CHECK, env.number("TASKMAPR_MCP_CHECK_EVERY_S", 15, minimum=0.5)),
        (jobs.TOKENS_PRUNE, 24 * 3600.0),
        (jobs.USERS_ERASE, 3600.0),
        (jobs.KNOWLEDGE_REFRESH, _knowledge_every_s),
        (jobs.KNOWLEDGE_EMBED, _knowledge_every_s),
        (jobs.MEMORY_ITEMS_EMBED, _knowledge_every_s),
        (jobs.MEMORY_ITEMS_RESEAL, 3600.0),
        (jobs.RUNS_METER, 5.0),
    )
}
# Callbacks have a queue of their own: strangers' servers are slow.
CELERY_BEAT_SCHEDULE[jobs.DELIVERIES_SEND] = {
    "task": jobs.DELIVERIES_SEND,
    "schedule": env.number("TASKMAPR_DELIVERIES_EVERY_S", 5, minimum=0.5),
    "options": {"queue": jobs.QUEUE_DELIVERIES, "expires": 60.0},
}
#: Makes the adapters of this process: `taskmapr.core.wired.Ports`.
TASKMAPR_PORTS = "taskmapr.wiring.build"
_queues = queues_of(env)
#: What ordinary workers serve, what those for tasks with processes of their own do, and both.
WORKER_QUEUES = _queues.shared
TASK_WORKER_QUEUES = _queues.own_process
QUEUES = _queues.all
FLOWER = flower_of(env)

# Who may come in ---------------------------------------------------------------------------------

_secrets = secrets_of(env, kept_in=DATA_DIR / "secrets.json" if ENV == "dev" else None)
SECRET_KEY = _secrets.django
#: Master keys are derived from these: the first seals, all open.
TASKMAPR_SECRET_KEYS = _secrets.masters
JWT_SECRET = _secrets.jwt
JWT_ALGORITHM = env.choice("JWT_ALGORITHM", ("hs256", "hs384", "hs512"), default="hs256").upper()
EXTERNAL_SIGN_IN = external_sign_in_of(env)
#: A key that exists from the start; empty: none.
SEEDED_API_KEY = seeded_key_of(env)
DISABLE_AUTH = env.flag("DISABLE_AUTH")
ALLOW_INSECURE = env.flag("TASKMAPR_ALLOW_INSECURE")
#: A comma list; empty on a developer's machine means pages served from this machine.
CORS_ALLOWED_ORIGINS = allowed_origins(
    env.words("CORS_ALLOWED_ORIGINS", env.words("CORS_ORIGINS")), is_local=ENV != "prod"
)
#: Where requests to addresses that users give may go.
EGRESS_POLICY = egress_policy_of(env)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

LOG_LEVEL = env.choice(
    "LOG_LEVEL", ("debug", "info", "warning", "error", "critical"), default="info"
).upper()
LOGGING = logging_config(
    json=ENV == "prod",
    level=LOG_LEVEL,
    files=log_files_of(env, DATA_DIR, is_test=ENV == "test"),
)
if LOG_LEVEL == "INFO":
    # Beat says every few seconds that it ticks.
    LOGGING.setdefault("loggers", {})["celery.beat"] = {"level": "WARNING"}
ASGI_SERVER = env.choice(
    "TASKMAPR_ASGI_SERVER", ("uvicorn", "granian", "daphne"), default="uvicorn"
)

_lease_ttl_s = env.number("TASKMAPR_LEASE_TTL_S", 15, minimum=1)

_tasks_dir = env.text("TASKS_DIR")
# What is ours. Names carry their unit; each is read from TASKMAPR_<NAME> once, here.
TASKMAPR: dict[str, Any] = {
    # streams
    "heartbeat_s": env.number("TASKMAPR_HEARTBEAT_SECONDS", 15, minimum=0.1),
    "disconnect_grace_s": env.number("TASKMAPR_DISCONNECT_GRACE_S", 30),
    "max_body_bytes": env.integer("TASKMAPR_MAX_BODY_BYTES", 4 * 1024 * 1024, minimum=1024),
    # runs
    "max_turns": env.integer("TASKMAPR_MAX_TURNS", 24, minimum=1),
    "run_timeout_s": env.number("TASKMAPR_RUN_TIMEOUT_S", 300, minimum=1),
    "run_slots": env.integer("TASKMAPR_RUN_SLOTS", 600, minimum=1),
    # Leases, and the marks by which workers and readers are known, hold for so long ...
    "lease_ttl_s": _lease_ttl_s,
    # ... and are renewed three times as often, so that one lost renewal costs nothing.
    "sign_every_s": _lease_ttl_s / 3,
    # Running runs get so long when their worker is asked to stop; what is left moves on.
    "drain_s": env.number("TASKMAPR_DRAIN_S", 20),
    "no_worker_after_s": env.number("TASKMAPR_NO_WORKER_AFTER_S", 30, minimum=1),
    # intents
    # A request waits so long for its job, then answers 202; 0 = never.
    "sync_timeout_s": env.number("ORCHESTRATOR_SYNC_TIMEOUT", 8),
    # Equal requests of a user are answered by the first one for so long.
    "idempotency_ttl_s": env.integer("IDEMPOTENCY_TTL_S", 3600, minimum=1),
    # POST requests per minute of one principal, and jobs under way at once; 0 = any number.
    "intents_per_minute": env.integer("TASKMAPR_INTENTS_PER_MINUTE", 60),
    "intent_jobs_at_once": env.integer("TASKMAPR_INTENT_JOBS_AT_ONCE", 20),
    "jobs_retention_h": env.integer("TASKMAPR_JOBS_RETENTION_H", 7 * 24, minimum=24),
    # what is kept
    "events_retention_h": env.integer("TASKMAPR_EVENTS_RETENTION_H", 24, minimum=24),
    "snapshot_retention_days": env.integer(
        "TASKMAPR_SNAPSHOT_RETENTION_DAYS",
        env.integer("SNAPSHOT_RETENTION_DAYS", 30, minimum=1),
        minimum=1,
    ),
    # what tasks came to, and the files that they made
    "ssh_audit_retention_days": env.integer("TASKMAPR_SSH_AUDIT_RETENTION_DAYS", 365, minimum=1),
    "results_retention_days": env.integer("TASKMAPR_RESULTS_RETENTION_DAYS", 30, minimum=1),
    "files_retention_days": env.integer("TASKMAPR_FILES_RETENTION_DAYS", 7, minimum=1),
    # 0 = for ever
    "session_ttl_days": env.integer(
        "TASKMAPR_SESSION_TTL_DAYS", env.integer("SESSION_TTL_DAYS", 0)
    ),
    # A folder of Python files with types of tasks; none: no such types.
    "tasks_dir": Path(_tasks_dir).resolve() if _tasks_dir else None,
    # Processes for tasks of the queues `browser` and `long`, in one worker.
    "task_processes": _queues.processes,
    # Tasks of one credential that may run at once; 0 = any number.
    "tasks_per_key": env.integer("TASKMAPR_TASKS_PER_KEY", 0, minimum=0),
    # models
    "default_model": env.text("TASKMAPR_DEFAULT_MODEL", "gpt-5-mini"),
    "openai_api_key": env.text("OPENAI_API_KEY"),
    "openai_base_url": env.text("OPENAI_BASE_URL"),
    "embedding_model": embedding_model_of(env),
    # The built-in stand-in answers where no model is configured: on developers' machines only.
    "offline_model": ENV != "prod",
    "offline_model_delay_ms": env.integer("TASKMAPR_OFFLINE_MODEL_DELAY_MS", 15),
    # Addresses of files in results are good for so long.
    "file_links_s": env.integer("TASKMAPR_FILE_LINKS_S", 3600, minimum=1),
    # threads with a kept database connection, per process that runs coroutines
    "database_threads": env.integer("TASKMAPR_DATABASE_THREADS", 4, minimum=1),
    # Callbacks: signed with this unless their user has a secret of their own, ...
    "webhook_secret": webhook_secret_of(env),
    # ... and a receiver gets so long to answer.
    "callback_timeout_s": env.number("TASKMAPR_CALLBACK_TIMEOUT_S", 15, minimum=0.1),
    # Tools of other servers over MCP; empty address: none but those of the admin.
    "mcp_base_url": env.text("MCP_BASE_URL").strip(),
    # Names of its tools that may be used; * means all.
    "mcp_allowed_tools": env.words("MCP_ALLOWED_TOOLS"),
    # Workflow engines that carry out intents; empty address: not configured.
    "n8n_base": env.text("N8N_WEBHOOK_BASE").rstrip("/"),
    "n8n_auth_header": env.text("N8N_AUTH_HEADER", "X-N8N-Auth"),
    "n8n_auth_token": env.text("N8N_AUTH_TOKEN"),
    # Includes /api/v1.
    "activepieces_base": env.text("ACTIVEPIECES_BASE").rstrip("/"),
    "activepieces_api_key": env.text("ACTIVEPIECES_API_KEY"),
    # From sending to the answer, waiting included.
    "flow_timeout_s": env.number("ORCHESTRATOR_FLOW_TIMEOUT", 120, minimum=0.1),
    #: Modules that register tools and kinds of runs of your own when they are imported.
    "tool_modules": env.words("TASKMAPR_TOOL_MODULES"),
    # POST requests per minute, 0 = as many as one likes: of one principal ...
    "rate_limit_per_minute": env.integer("TASKMAPR_RATE_LIMIT_PER_MINUTE", 60),
    # ... and of one address without a principal, that is sign-ins and registrations.
    "rate_limit_address_per_minute": env.integer("TASKMAPR_RATE_LIMIT_ADDRESS_PER_MINUTE", 30),
    # Of one credential: tasks assigned, and results, lists and types read.
    "task_assigns_per_minute": env.integer("TASKMAPR_TASK_ASSIGNS_PER_MINUTE", 60),
    "task_reads_per_minute": env.integer("TASKMAPR_TASK_READS_PER_MINUTE", 600),
    # Sockets that one credential may have open at once; 0 = any number.
    "sockets_per_key": env.integer("TASKMAPR_SOCKETS_PER_KEY", 20),
    # So many proxies stand in front and add to X-Forwarded-For; 0 = the peer is the client.
    "trusted_proxies": env.integer("TASKMAPR_TRUSTED_PROXIES", 0),
}
#: Each folder in it is a collection of Markdown files; ours begins with our own documentation.
KNOWLEDGE_ROOT, KNOWLEDGE_IS_OURS = knowledge_root_of(env, DATA_DIR)
#: The browser that tasks drive; the site `esc`, and the demo that plays it.
BROWSER = browser_of(env, DATA_DIR)
ESC = esc_of(env, public_url=PUBLIC_URL, is_prod=ENV == "prod")
DEMO_ESC = ESC.has_demo
DEMO_ESC_CREDENTIALS = ESC.demo_credentials
DEMO_ESC_SLOW_S = env.number("TASKMAPR_DEMO_ESC_SLOW_S", 20)
# Bodies are bounded while they arrive; Django's own limit must not be lower.
DATA_UPLOAD_MAX_MEMORY_SIZE = TASKMAPR["max_body_bytes"]

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    # Files that runs produce.
    "artifacts": artifact_storage_of(env, DATA_DIR),
}
