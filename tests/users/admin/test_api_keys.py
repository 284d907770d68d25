"""Making, finding and revoking keys in the admin."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from taskmapr.users.models import ApiKey, User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import api_key_issue, api_key_revoke
from taskmapr.users.services.staff_groups import staff_groups_plant

LIST = "/admin/users/apikey/"
ME = "/api/v1/auth/me"


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root@example.org", "an operator's password")


@pytest.fixture
def admin(root) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def engineer(db) -> Client:
    staff_groups_plant()
    user = User.objects.create_user("engineer@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name="engineer"))
    client = Client()
    client.force_login(user)
    return client


def _form(user, **changes):
    return {
        "user": str(user.pk),
        "name": "A shop",
        "scopes": ["overlay", "history:read"],
        **changes,
    }


def _shown(page: str) -> list[str]:
    return re.findall(r"tm_[\w-]{43}", page)


@pytest.mark.req("TQ-02")
def test_a_key_is_limited_in_the_form(admin, root, ada):
    bounds = {"task_types": "report_*, echo", "intents": "", "networks": "10.0.0.0/8"}
    made = admin.post(f"{LIST}add/", _form(ada, **bounds))
    assert made.status_code == 302

    key = ApiKey.objects.get()
    assert (key.task_types, key.intents, key.networks) == (["report_*", "echo"], [], ["10.0.0.0/8"])
    page = admin.get(f"{LIST}{key.pk}/change/").content.decode()
    assert "types of tasks: report_*, echo; addresses: 10.0.0.0/8" in page


@pytest.mark.req("TQ-02")
def test_odd_limits_are_told_beside_their_field(admin, root, ada):
    answer = admin.post(f"{LIST}add/", _form(ada, networks="everywhere"))

    assert "is neither an address nor a network" in answer.content.decode()
    assert not ApiKey.objects.exists()


@pytest.mark.req("OV-72", "OV-52")
def test_a_new_key_is_shown_once_and_works(admin, root, ada):
    made = admin.post(f"{LIST}add/", _form(ada, rate_per_minute="7"))
    assert made.status_code == 302
    page = admin.get(made.headers["Location"])
    (text,) = set(_shown(page.content.decode()))
    assert "no-store" in page.headers["Cache-Control"]
    key = ApiKey.objects.get()
    assert (key.user, key.created_by, key.rate_per_minute) == (ada, root, 7)
    assert key.scopes == ["history:read", "overlay"]
    assert Client().get(ME, headers={"x-api-key": text}).json()["id"] == str(ada.pk)

    again = admin.get(made.headers["Location"])
    assert (again.status_code, again.headers["Location"]) == (302, LIST)
    for path in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/"):
        content = admin.get(path).content.decode()
        assert text not in content
        assert key.key_hash not in content


@pytest.mark.req("OV-72")
def test_between_form_and_page_the_key_is_sealed(admin, ada):
    made = admin.post(f"{LIST}add/", _form(ada))
    kept = str([session.get_decoded() for session in Session.objects.all()])
    assert "taskmapr_fresh_key" in kept
    (text,) = set(_shown(admin.get(made.headers["Location"]).content.decode()))
    assert text not in kept
    assert "fresh_key" not in str([s.get_decoded() for s in Session.objects.all()])


@pytest.mark.req("OV-72")
def test_another_operator_does_not_see_it(admin, engineer, ada):
    made = admin.post(f"{LIST}add/", _form(ada))
    answer = engineer.get(made.headers["Location"])
    assert (answer.status_code, answer.headers["Location"]) == (302, LIST)


@pytest.mark.req("OV-72")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["everything"]}, "Select a valid choice"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "is over already"),
        ({"rate_per_minute": "-1"}, "greater than or equal to 0"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_a_form_that_cannot_be_is_said_beside_the_field(admin, ada, changes, says):
    answer = admin.post(f"{LIST}add/", _form(ada, **changes))
    assert answer.status_code == 200
    assert says in answer.content.decode()
    assert ApiKey.objects.count() == 0


@pytest.mark.req("OV-72")
def test_no_key_for_a_closed_account(admin, ada):
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert "is not an active account" in admin.post(f"{LIST}add/", _form(ada)).content.decode()


@pytest.mark.req("VB-86")
def test_only_a_superuser_makes_keys_for_other_operators(engineer, root, ada):
    answer = engineer.post(f"{LIST}add/", _form(root))
    assert "Only a superuser" in answer.content.decode()
    assert ApiKey.objects.count() == 0
    assert engineer.post(f"{LIST}add/", _form(ada)).status_code == 302
    assert ApiKey.objects.count() == 1


@pytest.mark.req("OV-72", "VB-86")
def test_revoking_asks_acts_and_leaves_an_entry(admin, root, ada):
    text = api_key_issue(user_id=ada.pk, name="shop", scopes=[Scope.OVERLAY]).text
    key = ApiKey.objects.get()
    data = {"action": "revoke_keys", "_selected_action": [str(key.pk)]}
    asked = admin.post(LIST, data).content.decode()
    assert "refused from now on" in asked
    assert Client().get(ME, headers={"x-api-key": text}).status_code == 200
    admin.post(LIST, {**data, "confirmed": "yes"})
    assert Client().get(ME, headers={"x-api-key": text}).status_code == 401
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (root, str(key.pk), "revoked")


@pytest.mark.req("VB-86")
def test_making_and_renaming_leave_entries_without_the_key(admin, ada):
    admin.post(f"{LIST}add/", _form(ada))
    key = ApiKey.objects.get()
    admin.post(f"{LIST}{key.pk}/change/", {"name": "Another shop"})
    key.refresh_from_db()
    assert key.name == "Another shop"
    entries = [(e.action_flag, e.object_id) for e in LogEntry.objects.order_by("pk")]
    assert entries == [(1, str(key.pk)), (2, str(key.pk))]
    assert not any(_shown(f"{e.object_repr} {e.change_message}") for e in LogEntry.objects.all())


@pytest.mark.req("OV-52")
def test_what_a_key_may_do_never_changes(admin, ada, cyd):
    api_key_issue(user_id=ada.pk, name="shop", scopes=[Scope.OVERLAY])
    key = ApiKey.objects.get()
    widened = _form(cyd, scopes=[str(s) for s in Scope], rate_per_minute="9999", name="x")
    admin.post(f"{LIST}{key.pk}/change/", widened)
    key.refresh_from_db()
    assert (key.user, key.scopes, key.rate_per_minute) == (ada, ["overlay"], None)


def test_keys_are_not_deleted_here(admin, ada):
    api_key_issue(user_id=ada.pk, name="shop", scopes=[Scope.OVERLAY])
    path = f"{LIST}{ApiKey.objects.get().pk}/delete/"
    assert admin.post(path, {"post": "yes"}).status_code == 403
    assert ApiKey.objects.count() == 1


@pytest.mark.req("OV-72")
def test_the_list_answers_questions(admin, root, ada):
    make = {"user_id": ada.pk, "scopes": [Scope.OVERLAY], "created_by": root.pk}
    api_key_issue(name="in use", **make)
    api_key_issue(name="was revoked", **make)
    api_key_issue(name="is over", **make | {"scopes": [Scope.METRICS]})
    ApiKey.objects.filter(name="in use").update(last_used_at=timezone.now())
    ApiKey.objects.filter(name="is over").update(expires_at=timezone.now() - timedelta(days=1))
    api_key_revoke(key_id=ApiKey.objects.get(name="was revoked").pk)

    def names(query):
        page = admin.get(f"{LIST}?{query}").content.decode()
        return {name for name in ("in use", "was revoked", "is over") if f">{name}<" in page}

    assert names("") == {"in use", "was revoked", "is over"}
    assert names("state=active") == {"in use"}
    assert names("state=revoked") == {"was revoked"}
    assert names("state=expired") == {"is over"}
    assert names("state=unused") == {"was revoked", "is over"}
    assert names("scope=metrics") == {"is over"}
    beginning = ApiKey.objects.get(name="in use").beginning
    assert names(f"q={beginning}") == {"in use"}
    assert names(f"q={ada.email}") == {"in use", "was revoked", "is over"}


@pytest.mark.req("OV-06")
def test_the_list_asks_as_often_for_one_row_as_for_thirty(
    admin, ada, django_assert_max_num_queries
):
    for n in range(31):
        api_key_issue(user_id=ada.pk, name=f"key {n}", scopes=[Scope.OVERLAY])
        if n in (0, 30):
            with django_assert_max_num_queries(12):
                assert admin.get(LIST).status_code == 200


@pytest.mark.req("OV-06")
def test_cyd_sees_the_sign_in_page_only(cyd):
    client = Client()
    client.force_login(cyd)
    for path in (LIST, f"{LIST}add/", f"{LIST}sign-in/", f"{LIST}{cyd.pk}/fresh/"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert "/admin/login/" in answer.headers["Location"]
