"""What each kind of operator sees and may do in the admin."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from taskmapr.users.models import User
from taskmapr.users.services.staff_groups import STAFF_GROUPS, staff_groups_plant

LISTS = {
    "users": "/admin/users/user/",
    "keys": "/admin/users/apikey/",
    "sign-in": "/admin/users/apikey/sign-in/",
    "groups": "/admin/auth/group/",
    "runs": "/admin/orchestration/run/",
    "sessions": "/admin/orchestration/session/",
    "profiles": "/admin/agents_cfg/overlayprofile/",
    "models": "/admin/agents_cfg/modelprofile/",
    "schedules": "/admin/django_celery_beat/periodictask/",
    "figures": "/admin/orchestration/run/figures/",
    "task types": "/admin/orchestration/taskdefinition/",
    "task schedules": "/admin/orchestration/taskschedule/",
    "callbacks": "/admin/orchestration/delivery/",
    "flows": "/admin/orchestration/flowmapping/",
    "modes": "/admin/orchestration/moderule/",
    "sites": "/admin/orchestration/site/",
    "circuits": "/admin/orchestration/circuitsetting/",
    "secrets of callbacks": "/admin/orchestration/webhooksecret/",
    "approvals": "/admin/orchestration/batchapproval/",
    "hosts": "/admin/orchestration/sshtarget/",
    "deny rules": "/admin/orchestration/commandrule/",
    "commands": "/admin/orchestration/sshaudit/",
    "usage": "/admin/billing/usage/",
    "quotas": "/admin/billing/quota/",
    "prices": "/admin/agents_cfg/toolprice/",
    "memory": "/admin/memory/memoryowner/",
}
#: What engineers make as well as see.
MADE = {"task types", "task schedules", "flows", "modes", "sites", "circuits"}
SEES = {
    "support": {
        "users",
        "keys",
        "sign-in",
        "runs",
        "sessions",
        "figures",
        "task types",
        "task schedules",
        "callbacks",
        "approvals",
        "usage",
        "quotas",
    },
    "reviewer": set(),
    "billing": {"users", "usage", "quotas"},
    "engineer": {*LISTS} - {"groups"},
}
MAY_ADD = {
    "support": set(),
    "reviewer": set(),
    "billing": {"quotas"},
    # Schedules come from the settings; engineers stop and start them.
    "engineer": {"keys", "profiles", "models"} | MADE,
}


@pytest.fixture
def member(db):
    """member("support") → the browser of somebody in that group."""
    staff_groups_plant()

    def _member(group: str) -> Client:
        user = User.objects.create_user(f"{group}@example.org", is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        return client

    return _member


def _open_to(client: Client, suffix: str = "") -> set[str]:
    found = {name: client.get(f"{path}{suffix}").status_code for name, path in LISTS.items()}
    assert set(found.values()) <= {200, 302, 403, 404}  # 302: there is nothing to add here
    return {name for name, status in found.items() if status == 200}


@pytest.mark.req("VB-86")
@pytest.mark.parametrize("group", list(STAFF_GROUPS))
def test_each_group_sees_its_part(member, group):
    assert _open_to(member(group)) == SEES[group]


@pytest.mark.req("VB-86")
@pytest.mark.parametrize("group", list(STAFF_GROUPS))
def test_each_group_adds_its_part(member, group):
    assert _open_to(member(group), "add/") == MAY_ADD[group]


@pytest.mark.req("VB-86")
@pytest.mark.parametrize("group", list(STAFF_GROUPS))
def test_nobody_but_a_superuser_changes_accounts_or_groups(member, group, ada):
    client = member(group)
    for action in ("deactivate", "revoke_sign_ins", "rotate_data_key", "delete_account"):
        data = {"action": action, "_selected_action": [str(ada.pk)], "confirmed": "yes"}
        client.post("/admin/users/user/", data)
    client.post(f"/admin/users/user/{ada.pk}/change/", {"tier": "pro", "is_superuser": "on"})
    client.post("/admin/auth/group/add/", {"name": "mine"})
    ada.refresh_from_db()
    assert (ada.is_active, ada.tier, ada.is_superuser) == (True, "free", False)
    assert ada.erasure_requested_at is None
    assert Group.objects.count() == len(STAFF_GROUPS)


@pytest.mark.req("VB-80", "VB-86")
@pytest.mark.parametrize("group", list(STAFF_GROUPS))
def test_only_engineers_read_words_and_instructions(db, group):
    staff_groups_plant()
    held = set(Group.objects.get(name=group).permissions.values_list("codename", flat=True))
    reading = {"read_content", "read_instructions", "view_message", "view_overlayprofile"}
    assert (held & reading == reading) is (group == "engineer")
    assert group == "engineer" or not held & reading


@pytest.mark.req("VB-86")
def test_the_sidebar_shows_what_can_be_opened(member):
    page = member("support").get("/admin/users/user/").content.decode()
    assert 'href="/admin/users/apikey/"' in page
    assert 'href="/admin/agents_cfg/overlayprofile/"' not in page


@pytest.mark.req("VB-86")
def test_planting_twice_changes_nothing_and_takes_nothing_away(db):
    assert len(staff_groups_plant()) == len(STAFF_GROUPS)
    support = Group.objects.get(name="support")
    before = set(support.permissions.values_list("pk", flat=True))
    support.permissions.remove(support.permissions.first())
    extra = Group.objects.get(name="engineer").permissions.get(codename="change_run")
    support.permissions.add(extra)
    assert staff_groups_plant() == []
    assert set(support.permissions.values_list("pk", flat=True)) == before | {extra.pk}


@pytest.mark.req("VB-86")
def test_seeding_makes_them(db, capsys):
    call_command("seed")
    assert "staff group 'engineer'" in capsys.readouterr().out
    assert set(Group.objects.values_list("name", flat=True)) == set(STAFF_GROUPS)
