"""How requests are answered: middleware, the JSON API, passwords."""

from __future__ import annotations

MIDDLEWARE = [
    "taskmapr.foundation.middleware.RequestIdMiddleware",
    "taskmapr.foundation.cors.CrossOriginMiddleware",
    "taskmapr.foundation.middleware.PlainSecurityMiddleware",
    "taskmapr.foundation.csp.ContentPolicyMiddleware",
    "taskmapr.foundation.middleware.EdgeMiddleware",
    "taskmapr.foundation.middleware.StaticFilesMiddleware",
    "taskmapr.foundation.middleware.PageSessionMiddleware",
    "taskmapr.foundation.middleware.PageCommonMiddleware",
    "taskmapr.foundation.middleware.PageCsrfMiddleware",
    "taskmapr.foundation.middleware.PageAuthenticationMiddleware",
    "taskmapr.foundation.middleware.PageMessageMiddleware",
    "taskmapr.foundation.middleware.PageXFrameOptionsMiddleware",
]

#: Paths below these answer programs (JSON errors, no cookies); all others answer people.
API_PREFIXES = (
    "/api",
    "/assign-task",
    "/health",
    "/intents",
    "/jobs",
    "/metrics",
    "/openapi",
    "/openapi.json",
    "/orchestrate",
    "/result",
    "/static/results",
    "/static/screenshots",
    "/tasks",
    "/usage",
)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["taskmapr.users.authentication.Principal"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "taskmapr.users.permissions.HasScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["taskmapr.foundation.throttling.PrincipalThrottle"],
    "DEFAULT_PARSER_CLASSES": ["taskmapr.foundation.json_bodies.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["taskmapr.foundation.json_bodies.JsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "taskmapr.foundation.json_bodies.FirstRenderer",
    "DEFAULT_SCHEMA_CLASS": "taskmapr.foundation.openapi.DescribedSchema",
    "EXCEPTION_HANDLER": "taskmapr.foundation.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

#: The API document; `orchestration/api/document.py` adds what is not made from views.
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "TaskMapr",
    "DESCRIPTION": (
        "One service that runs AI agents for other programs.\n\n"
        "Paths answer with and without a slash at the end. Bodies and answers are JSON, streams"
        " are server-sent events, refusals and failures are problem documents (RFC 9457)."
    ),
    "SERVERS": [{"url": "/", "description": "This server"}],
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "TAGS": [
        {"name": "Overlay", "description": "Ask, follow, read what was said."},
        {"name": "Intents", "description": "Run a named intent, look at its job, follow it."},
        {"name": "Tasks", "description": "Assign named tasks, fetch what they give."},
        {"name": "Runs", "description": "Look at a run, stop it, answer it."},
        {"name": "Accounts", "description": "Sign in and out."},
        {"name": "Service", "description": "What the service says of itself."},
    ],
    "SCHEMA_PATH_PREFIX": "",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["orchestration.api.document.document_complete"],
}

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ["email"]}),
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
CSRF_FAILURE_VIEW = "taskmapr.foundation.pages.csrf_failure"
