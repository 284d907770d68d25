"""Operators of the admin, and runs as finished ones lie in the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from orchestration.models import Message, Run, Session
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User


@pytest.fixture
def watcher(db: None, client: Client) -> Client:
    """Signed in as staff who may look at runs and sessions, also at words, and change nothing."""
    return staff_in(client, "view_run", "view_session", "read_content")


@pytest.fixture
def supporter(db: None, client: Client) -> Client:
    """Signed in as staff who see figures of runs and sessions, and no words."""
    return staff_in(client, "view_run", "view_session")


def staff_in(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("staff@example.org", "a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


@pytest.fixture
def finished(ada: User) -> Callable[..., Run]:
    """A finished run of Ada's with its session and both messages; keywords change the row."""

    def make(**changes: Any) -> Run:
        now = datetime.now(UTC)
        session_id = changes.pop("session_id", f"s-{uuid7()}")
        session, _ = Session.objects.get_or_create(
            session_id=session_id, defaults={"user_id": str(ada.pk), "title": "First words"}
        )
        given: dict[str, Any] = {
            "kind": "overlay",
            "owner": ada,
            "session": session,
            "status": "succeeded",
            "queue": "runs.overlay",
            "model": "gpt-5-mini",
            "input": {"prompt": "Where is the spoon?"},
            "input_tokens": 1200,
            "output_tokens": 80,
            "duration_ms": 1400,
            "first_output_ms": 310,
            "finished_at": now,
            "created_at": now,
        }
        run = Run.objects.create(**{**given, **changes})
        for position, role in enumerate(("user", "assistant")):
            Message.objects.create(
                session=session,
                run=run,
                position=position,
                role=role,
                content=f"{role} words",
                is_sealed=run.is_sealed,
            )
        return run

    return make
