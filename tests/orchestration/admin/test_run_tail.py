"""…/events/stream: the live end of a run's timeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import AsyncClient

from orchestration.live import live_close
from orchestration.models import Run
from orchestration.services.leases import Claim
from taskmapr.core import events as ev
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.logs import write


def address(run_id: UUID, after: int = 0) -> str:
    return f"/admin/orchestration/run/{run_id}/events/stream?after={after}"


@pytest.fixture
def ended(start: Callable[..., Run], hold: Callable[[UUID], Claim]) -> Run:
    run = start()
    write(
        hold(run.pk),
        ev.TextDelta(text="One "),
        ev.TextDelta(text="task."),
        ev.RunFinished(status="succeeded", duration_ms=900),
    )
    Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=Now())
    return run


async def frames(client: AsyncClient, url: str) -> list[dict[str, Any]]:
    answer = await client.get(url)
    assert answer.status_code == 200
    body = b"".join([part async for part in answer.streaming_content])
    await live_close()
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]


async def signed_in(user: User) -> AsyncClient:
    client = AsyncClient()
    await sync_to_async(client.force_login)(user)
    return client


async def test_sends_every_entry_and_the_status(
    redis_url: str, admin_user: User, ended: Run
) -> None:
    got = await frames(await signed_in(admin_user), address(ended.pk))

    assert [entry["seq"] for entry in got[0]["entries"]] == [1, 2, 3, 5]
    assert "One task." in got[0]["entries"][2]["html"]
    assert 'data-status="succeeded"' in got[0]["status"]
    assert [frame["is_final"] for frame in got] == [False, True]


async def test_sends_only_what_the_page_lacks_and_changed_entries_whole(
    redis_url: str, admin_user: User, ended: Run
) -> None:
    got = await frames(await signed_in(admin_user), address(ended.pk, after=3))

    assert [entry["seq"] for entry in got[0]["entries"]] == [3, 5]
    assert "One task." in got[0]["entries"][0]["html"]


async def test_ends_at_once_when_the_page_has_everything(
    redis_url: str, admin_user: User, ended: Run
) -> None:
    got = await frames(await signed_in(admin_user), address(ended.pk, after=5))

    assert got == [{"entries": [], "is_final": True}]


@pytest.mark.req("OV-06")
async def test_is_closed_to_everybody_but_staff(ended: Run, ada: User) -> None:
    for client in (AsyncClient(), await signed_in(ada)):
        answer = await client.get(address(ended.pk))
        assert answer.status_code == 403


async def test_staff_need_the_right_to_view_runs(ended: Run, cyd: User) -> None:
    cyd.is_staff = True
    await cyd.asave()

    assert (await (await signed_in(cyd)).get(address(ended.pk))).status_code == 403


async def test_unknown_runs_are_not_found(admin_user: User) -> None:
    assert (await (await signed_in(admin_user)).get(address(uuid7()))).status_code == 404


@pytest.mark.req("VB-86")
async def test_staff_who_may_not_read_words_follow_without_them(
    redis_url: str, admin_user: User, ended: Run
) -> None:
    await sync_to_async(_only_views_runs)(admin_user)

    got = await frames(await signed_in(admin_user), address(ended.pk))

    html = "".join(entry["html"] for entry in got[0]["entries"])
    assert "One task." not in html
    assert "(not yours to read)" in html


def _only_views_runs(user: User) -> None:
    user.is_superuser = False
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename="view_run"))
