"""/admin/orchestration/run/<id>/replay/: what a client saw."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from orchestration.dialects.table import dialect_for
from orchestration.log.store import events_after
from orchestration.models import Run
from orchestration.services.leases import Claim
from taskmapr.core import events as ev
from taskmapr.core.ids import uuid7
from tests.orchestration.logs import write


def page(run_id: UUID) -> str:
    return f"/admin/orchestration/run/{run_id}/replay/"


@pytest.fixture
def spoken(start: Callable[..., Run], hold: Callable[[UUID], Claim]) -> Run:
    run = start()
    write(hold(run.pk), ev.TextDelta(text="In the "), ev.TextDelta(text="drawer."))
    return run


@pytest.mark.req("OV-71")
def test_shows_the_frames_of_the_dialect_in_order(admin_client: Client, spoken: Run) -> None:
    answer = admin_client.get(page(spoken.pk))

    dialect = dialect_for("overlay", spoken.pk)
    sent = [f for event in events_after(spoken.pk, 0) for f in dialect.feed(event)]
    shown = answer.context["frames"]
    assert [frame.name for frame in shown] == [f.data["type"] for f in sent]
    assert "".join(frame.says for frame in shown) == "In the drawer."
    assert 'data-says="drawer."' in answer.content.decode()


def test_a_sealed_run_is_not_opened(admin_client: Client, spoken: Run) -> None:
    Run.objects.filter(pk=spoken.pk).update(is_sealed=True)

    body = admin_client.get(page(spoken.pk)).content.decode()

    assert "drawer" not in body
    assert "its owner alone" in body


def test_an_erased_run_says_that_nothing_is_left(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    assert "No frames" in admin_client.get(page(finished().pk)).content.decode()


def test_unknown_runs_and_vocabularies_are_not_found(admin_client: Client, spoken: Run) -> None:
    assert admin_client.get(page(uuid7())).status_code == 404
    assert admin_client.get(page(spoken.pk), {"dialect": "klingon"}).status_code == 404


def test_needs_the_permission_to_read_words(supporter: Client, spoken: Run) -> None:
    assert supporter.get(page(spoken.pk)).status_code == 403
