"""/admin/orchestration/run/retention/: what is kept for how long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from orchestration.models import Run
from taskmapr.users.models import User

PAGE = "/admin/orchestration/run/retention/"


@pytest.mark.parametrize(("days", "words"), [(0, "for ever"), (90, "90 days after their last use")])
def test_says_the_settings_in_words(
    admin_client: Client, finished: Callable[..., Run], settings, days: int, words: str
) -> None:
    settings.TASKMAPR = {
        **settings.TASKMAPR,
        "session_ttl_days": days,
        "snapshot_retention_days": 31,
    }
    run = finished()

    body = admin_client.get(PAGE).content.decode()

    assert words in body
    assert "31 days after its end" in body
    assert run.created_at.strftime("%Y-%m-%d %H:%M") in body


def test_is_for_staff_who_may_see_runs(client: Client, ada: User) -> None:
    ada.is_staff = True
    ada.save()
    client.force_login(ada)

    assert client.get(PAGE).status_code == 403
