"""/admin/orchestration/run/: what operators see of many runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import OverlayProfile
from orchestration.models import Run
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User

LIST = "/admin/orchestration/run/"


@pytest.mark.req("OV-72")
def test_shows_fifty_runs_with_at_most_twelve_queries(
    admin_client: Client,
    finished: Callable[..., Run],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(50):
        finished()

    with django_assert_max_num_queries(12) as asked:
        body = admin_client.get(LIST).content.decode()

    assert body.count('data-status="succeeded"') == 50
    assert not any('"agent_runs"."instructions"' in query["sql"] for query in asked)


def test_shows_the_beginning_of_the_prompt_but_not_of_a_sealed_one(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(input={"prompt": "Where is the spoon?"})
    finished(input={"prompt": "Where is the diary?"}, is_sealed=True)

    body = admin_client.get(LIST).content.decode()

    assert "Where is the spoon?" in body
    assert "diary" not in body


def test_says_that_a_cost_is_unknown_when_tokens_were_used(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(cost_usd_micros=None)
    finished(cost_usd_micros=12_300)

    body = admin_client.get(LIST).content.decode()

    assert ">unknown<" in body
    assert "$ 0.0123" in body


@pytest.mark.req("OV-72")
@pytest.mark.parametrize(
    "wanted",
    [
        "status=failed",
        "status=troubled",
        "model=own",
        "kind=overlay",
        "since=1h",
        "error=llm_unavailable",
        "look=slow",
        "look=slow_start",
        "look=costly",
        "look=retried",
        "profile__id__exact={profile}",
        "owner__id__exact={owner}",
        "status=troubled&since=24h&look=slow&error=llm_unavailable",
    ],
)
def test_filters(
    admin_client: Client, finished: Callable[..., Run], cyd: User, wanted: str, settings
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "default_model": "own"}
    profile = OverlayProfile.objects.create(name="shop")
    right = finished(
        status="failed",
        model="own",
        error_code="llm_unavailable",
        duration_ms=31_000,
        first_output_ms=5_001,
        cost_usd_micros=100_001,
        attempt=2,
        profile=profile,
    )
    long_ago = datetime.now(UTC) - timedelta(days=60)
    wrong = finished(
        pk=uuid7(int(long_ago.timestamp() * 1000)),
        kind="other",
        owner=cyd,
        created_at=long_ago,
        cost_usd_micros=100_000,
        duration_ms=30_000,
    )
    wanted = wanted.format(profile=profile.pk, owner=right.owner_id)

    body = admin_client.get(f"{LIST}?{wanted}").content.decode()

    assert f"{right.pk}/change" in body
    assert f"{wrong.pk}/change" not in body


@pytest.mark.parametrize(
    ("look", "found"),
    [("unpriced", {"cost_usd_micros": None}), ("silent", {"first_output_ms": None})],
)
def test_finds_what_lacks_a_figure(
    admin_client: Client, finished: Callable[..., Run], look: str, found: dict[str, None]
) -> None:
    right = finished(**{"cost_usd_micros": 1, **found})
    wrong = finished(cost_usd_micros=0)

    body = admin_client.get(f"{LIST}?look={look}").content.decode()

    assert f"{right.pk}/change" in body
    assert f"{wrong.pk}/change" not in body


def test_open_runs_wait_for_people_or_workers(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    paused, ended = finished(status="paused", finished_at=None), finished()

    for status in ("open", "paused"):
        body = admin_client.get(f"{LIST}?status={status}").content.decode()
        assert f"{paused.pk}/change" in body
        assert f"{ended.pk}/change" not in body


def test_hides_prompts_from_staff_who_see_figures_only(
    supporter: Client, finished: Callable[..., Run]
) -> None:
    run = finished()

    body = supporter.get(LIST).content.decode()

    assert f"{run.pk}/change" in body
    assert "spoon" not in body


def test_finds_by_id_session_and_owner(
    admin_client: Client, finished: Callable[..., Run], cyd: User
) -> None:
    adas, cyds = finished(session_id="s-ada"), finished(session_id="s-cyd", owner=cyd)

    for term in (str(cyds.pk), "s-cyd", "cyd@example", str(cyd.pk)):
        body = admin_client.get(LIST, {"q": term}).content.decode()
        assert f"{cyds.pk}/change" in body, term
        assert f"{adas.pk}/change" not in body, term


@pytest.mark.req("OV-72")
@pytest.mark.parametrize("session_id", ["site_ada_1795308565_266b", "a/b?c=_2F", "plain"])
def test_its_session_is_a_click_away_whatever_its_name(
    admin_client: Client, finished: Callable[..., Run], session_id: str
) -> None:
    run = finished(session_id=session_id)

    for page in (LIST, f"{LIST}{run.pk}/change/"):
        body = admin_client.get(page).content.decode()
        (link,) = set(re.findall(r'href="(/admin/orchestration/session/[^"]+/change/)"', body))
        opened = admin_client.get(unescape(link))
        assert opened.status_code == 200, page
        assert session_id in unescape(opened.content.decode())


def test_an_empty_list_says_what_to_do(admin_client: Client, db: None) -> None:
    body = admin_client.get(LIST).content.decode()

    assert "No runs here" in body
    assert "Ask something in the console" in body


def test_is_read_only(admin_client: Client, finished: Callable[..., Run]) -> None:
    run = finished()

    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.get(f"{LIST}{run.pk}/delete/").status_code == 403


def test_is_closed_to_people_who_are_not_staff(client: Client, cyd: User) -> None:
    client.force_login(cyd)

    assert client.get(LIST).status_code == 302


def test_cancelling_several_asks_first_and_then_cancels(
    admin_client: Client, start: Callable[..., Run]
) -> None:
    run = start()
    chosen = {"action": "cancel_runs", "_selected_action": str(run.pk)}

    question = admin_client.post(LIST, chosen)
    run.refresh_from_db()
    assert "Each answer stops where it is" in question.content.decode()
    assert run.status == "queued"

    admin_client.post(LIST, {**chosen, "confirmed": "yes"})
    run.refresh_from_db()
    assert (run.status, run.reason) == ("cancelled", "cancelled_by_operator")
