"""What a database needs before the first request: its tables, a first admin, the seeds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from io import StringIO

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from taskmapr.stack.errors import StackFailed
from taskmapr.stack.terminal import Terminal

ADMIN_EMAIL = "admin@taskmapr.local"


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The account that was just made. Its password is shown once and kept nowhere."""

    email: str
    password: str = field(repr=False)


def database_prepare(terminal: Terminal) -> FirstAdmin | None:
    """Tables, admin and seeds are there; returns the admin if there was none before.

    Raises StackFailed when the database does not answer.
    """
    try:
        connection.ensure_connection()
    except OperationalError as error:
        first_line = str(error).strip().splitlines()[0]
        raise StackFailed(f"The database does not answer: {first_line}") from error
    try:
        if pending := migrations_pending():
            terminal.line_of("up", f"Preparing the database ({pending} migrations)")
            call_command("migrate", verbosity=0, interactive=False)
        admin = admin_make()
        if "seed" in get_commands():
            _seed(terminal)
        if not settings.DEBUG:
            call_command("collectstatic", verbosity=0, interactive=False)
        return admin
    finally:
        connection.close()


def _seed(terminal: Terminal) -> None:
    told = StringIO()
    call_command("seed", verbosity=1, stdout=told)
    for line in told.getvalue().splitlines():
        terminal.line_of("up", f"Seeding: {line}")


def redis_require() -> None:
    """Raises StackFailed when Redis does not answer."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        raise StackFailed(f"Redis does not answer: {error}") from error


def migrations_pending() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def admin_make() -> FirstAdmin | None:
    """None when somebody can administer already."""
    users = get_user_model()
    if users.objects.filter(is_superuser=True).exists():
        return None
    admin = FirstAdmin(ADMIN_EMAIL, secrets.token_urlsafe(12))
    users.objects.create_superuser(email=admin.email, password=admin.password)
    return admin
