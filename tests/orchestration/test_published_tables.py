"""Tables that other programs may read and write by name."""

from __future__ import annotations

import pytest
from django.db import connection

from orchestration.models import Session
from orchestration.selectors.sessions import session_owned
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun


@pytest.mark.req("OV-48")
def test_a_session_row_of_three_columns_is_valid(ada: User, start: StartRun) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_sessions (session_id, user_id, created_at) VALUES (%s, %s, now())",
            ["old", str(ada.pk)],
        )

    assert session_owned(session_id="old", user_id=ada.pk).title == ""
    run = start(session_id="old")
    assert run.session_id == "old"
    assert Session.objects.count() == 1


@pytest.mark.req("OV-48")
@pytest.mark.parametrize(
    "name", ["agent_sessions", "agent_threads", "agent_messages", "agent_runs"]
)
def test_each_published_name_can_be_read(start: StartRun, name: str) -> None:
    start()

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {name}")
        assert cursor.fetchone() == (1,)
