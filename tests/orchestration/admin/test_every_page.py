"""Every page of the admin opens or says no, whoever of the staff asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from agents_cfg.models import ModelProfile, OverlayProfile
from orchestration.models import Run
from taskmapr.users.models import User
from taskmapr.users.services.staff_groups import STAFF_GROUPS, staff_groups_plant

pytestmark = pytest.mark.django_db


@pytest.fixture
def one_of_each(finished: Callable[..., Run], ada: User) -> Run:
    """A row in most tables, so that change pages have something to show."""
    model = ModelProfile.objects.create(name="own", model="x/y")
    profile = OverlayProfile.objects.create(name="shop", model=model)
    interval = IntervalSchedule.objects.create(every=60, period="seconds")
    PeriodicTask.objects.create(name="users.tokens_prune", task="x", interval=interval)
    LogEntry.objects.log_actions(ada.pk, [profile], CHANGE, change_message="changed")
    staff_groups_plant()
    return finished(instructions="You are brief.", profile=profile, model="x/y")


def pages(run: Run) -> Iterator[str]:
    own = f"/admin/orchestration/run/{run.pk}"
    yield from ("/admin/", "/admin/orchestration/run/retention/")
    yield "/admin/orchestration/run/figures/"
    yield from (f"{own}/replay/", f"{own}/compare/", f"{own}/compare/?with={run.pk}")
    yield f"/admin/orchestration/session/{run.session_id}/export/"
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield from (base, f"{base}?q=a", f"{base}add/", f"{base}nonsense/change/")
        row = model._default_manager.first()
        if row is not None:
            yield from (f"{base}{row.pk}/{page}/" for page in ("change", "history", "delete"))
    yield f"/admin/agents_cfg/modelprofile/{ModelProfile.objects.get().pk}/test/"


@pytest.mark.req("OV-72")
@pytest.mark.parametrize("who", ["superuser", "nobody", *STAFF_GROUPS])
def test_opens_or_refuses(client: Client, one_of_each: Run, who: str) -> None:
    asking = User.objects.create_user("staff@example.org", "a long password", is_staff=True)
    asking.is_superuser = who == "superuser"
    asking.save()
    if who in STAFF_GROUPS:
        asking.groups.add(Group.objects.get(name=who))
    client.force_login(asking)

    answers: dict[str, int] = {page: client.get(page).status_code for page in pages(one_of_each)}

    odd: dict[str, Any] = {p: s for p, s in answers.items() if s not in {200, 302, 403, 404}}
    assert not odd
    assert answers["/admin/"] == 200
    opened = {page for page, status in answers.items() if status == 200}
    # What reviewers review is not installed here.
    assert (who in {"nobody", "reviewer"}) == (opened == {"/admin/"})


@pytest.mark.req("VB-80")
@pytest.mark.parametrize(("who", "reads"), [("support", False), ("engineer", True)])
def test_only_engineers_read_what_models_were_told(
    client: Client, one_of_each: Run, who: str, reads: bool
) -> None:
    asking = User.objects.create_user("staff@example.org", "a long password", is_staff=True)
    asking.groups.add(Group.objects.get(name=who))
    client.force_login(asking)

    body = client.get(f"/admin/orchestration/run/{one_of_each.pk}/change/").content.decode()

    assert ("You are brief." in body) is reads
    assert ("Where is the spoon?" in body) is reads


def test_the_sidebar_shows_sections_that_open(client: Client, one_of_each: Run) -> None:
    for who in STAFF_GROUPS:
        asking = User.objects.create_user(f"{who}@example.org", "a long password", is_staff=True)
        asking.groups.add(Group.objects.get(name=who))
        client.force_login(asking)

        groups = client.get("/admin/").context["sidebar_navigation"]

        shown = [item for group in groups for item in group["items"] if item["has_permission"]]
        closed = [i["title"] for i in shown if client.get(str(i["link"])).status_code != 200]
        assert not closed, who
