"""Sites, approvals and leases of batches in the admin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from orchestration.models import BatchApproval, BatchLease, Run, Site
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User

pytestmark = pytest.mark.django_db

SITES = "/admin/orchestration/site/"
APPROVALS = "/admin/orchestration/batchapproval/"
LEASES = "/admin/orchestration/batchlease/"


def form(**changes: Any) -> dict[str, Any]:
    site = Site()
    fields = [f.name for f in Site._meta.fields if f.editable and f.name != "updated_at"]
    given = {name: getattr(site, name) for name in fields if name != "id"}
    given |= {"name": "office", "base_url": "https://office.example.org", "is_enabled": "on"}
    lines = {"allowed_hosts": "", "pending_words": "Open", "approved_words": "Done\nPaid"}
    return {**given, **lines, **changes}


@pytest.fixture
def secrets() -> None:
    for name in ("office.user", "office.password"):
        secret_save(secret=Secret(name=name, value=f"value of {name}"), by="root")


@pytest.mark.req("TQ-31")
def test_a_site_is_described_by_selectors_and_names_of_secrets(
    admin_client: Client, secrets: None
) -> None:
    chosen = {"username_secret": "office.user", "password_secret": "office.password"}

    answer = admin_client.post(f"{SITES}add/", form(**chosen, allowed_hosts="sso.example.org"))

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    site = Site.objects.get()
    assert (site.allowed_hosts, site.approved_words) == (["sso.example.org"], ["Done", "Paid"])
    page = admin_client.get(f"{SITES}{site.pk}/change/").content.decode()
    assert "office.password" in page
    assert "value of" not in page


@pytest.mark.req("TQ-31")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "https://ann:pw@office.example.org"}, "base_url"),
        ({"base_url": "ftp://office.example.org"}, "base_url"),
        ({"allowed_hosts": "not a host"}, "allowed_hosts"),
        ({"batch_link": "tr a"}, "batch_link"),
        ({"search_button": ""}, "search_button"),
        ({"pending_words": ""}, "pending_words"),
        ({"username_secret": "office.user"}, "password_secret"),
        ({"username_secret": "unknown"}, "username_secret"),
    ],
)
def test_refuses_what_cannot_be(
    admin_client: Client, secrets: None, changes: dict[str, str], field: str
) -> None:
    answer = admin_client.post(f"{SITES}add/", form(**changes))

    assert field in answer.context["adminform"].form.errors
    assert not Site.objects.exists()


@pytest.mark.req("TQ-31", "VB-85")
def test_who_may_not_change_secrets_cannot_send_them_elsewhere(
    client: Client, secrets: None
) -> None:
    site = Site.objects.create(
        name="office",
        base_url="https://office.example.org",
        username_secret="office.user",
        password_secret="office.password",
    )
    engineer = User.objects.create_user(email="eve@example.org", password="x", is_staff=True)
    for codename in ("view_site", "change_site", "add_site"):
        engineer.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(engineer)

    added = client.post(f"{SITES}add/", form(name="mine", base_url="https://evil.example"))
    changed = client.post(
        f"{SITES}{site.pk}/change/",
        form(
            base_url="https://evil.example",
            allowed_hosts="evil.example",
            password_field="#search",
            wait_s=7,
        ),
    )

    after = Site.objects.get()
    assert (added.status_code, changed.status_code) == (403, 302)
    assert (after.base_url, after.allowed_hosts) == ("https://office.example.org", [])
    assert (after.password_field, after.password_secret, after.wait_s) == (
        site.password_field,
        "office.password",
        7,
    )


@pytest.mark.req("TQ-31")
def test_a_check_begins_a_task_of_the_operators_own(
    admin_client: Client,
    admin_user: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    site = Site.objects.create(name="office", base_url="https://office.example.org")

    with django_capture_on_commit_callbacks(execute=True):
        chosen = {"action": "check_now", "_selected_action": [site.pk]}
        page = admin_client.post(SITES, chosen, follow=True).content.decode()

    run = Run.objects.get()
    assert f"/admin/orchestration/run/{run.pk}/change/" in page
    assert (run.subject, run.queue, run.owner_id) == ("check_site", "browser", admin_user.pk)
    assert run.input["params"] == {"site": "office"}


@pytest.fixture
def lease(ada: User) -> BatchLease:
    run = Run.objects.create(kind="task", owner=ada, queue="browser")
    later = datetime.now(UTC) + timedelta(hours=1)
    return BatchLease.objects.create(site="esc", batch_id="7", run=run, expires_at=later)


@pytest.mark.req("TQ-47")
def test_a_lease_is_released_after_a_question(admin_client: Client, lease: BatchLease) -> None:
    chosen = {"action": "release_leases", "_selected_action": [lease.pk]}

    assert "Another task may work" in admin_client.post(LEASES, chosen).content.decode()
    assert BatchLease.objects.exists()
    admin_client.post(LEASES, {**chosen, "confirmed": "yes"})

    assert not BatchLease.objects.exists()


@pytest.mark.req("TQ-46")
def test_approvals_are_listed_and_downloaded(
    admin_client: Client, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        BatchApproval.objects.create(
            site="esc",
            batch_id=f"=cmd({number})",
            principal=f"user:{ada.pk}",
            user=ada,
            run_id=uuid7(),
            outcome="approved",
            screenshot="batch-1-success.png",
        )

    with django_assert_max_num_queries(12):
        page = admin_client.get(APPROVALS).content.decode()
    rows = list(BatchApproval.objects.values_list("pk", flat=True))
    answer = admin_client.post(APPROVALS, {"action": "to_csv", "_selected_action": rows})
    lines = b"".join(answer.streaming_content).decode().splitlines()

    assert "ada@example.org" in page
    assert len(lines) == 31
    assert lines[0] == "at,site,batch_id,outcome,principal,run_id,screenshot,confirmed_by"
    assert ",esc,'=cmd(29),approved," in lines[1]


@pytest.mark.req("TQ-46")
@pytest.mark.parametrize("address", [APPROVALS, LEASES])
def test_nobody_changes_what_was_written(
    admin_client: Client, lease: BatchLease, address: str
) -> None:
    assert admin_client.get(f"{address}add/").status_code == 403
