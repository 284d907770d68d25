import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client

from taskmapr.users.models import DataKey, RefreshToken, User
from taskmapr.users.services.data_keys import data_key_ensure
from taskmapr.users.services.sign_ins import tokens_issue

PAGES = ["user", "refreshtoken", "datakey", "externalidentity"]


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root@example.org", "an operator's password")


@pytest.fixture
def admin(root) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def support(db) -> Client:
    """May look at accounts and no more."""
    user = User.objects.create_user("support@example.org", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_user", "view_datakey", "change_user"])
    )
    client = Client()
    client.force_login(user)
    return client


def _fill(count: int) -> None:
    for n in range(count):
        user = User.objects.create_user(f"user-{n}@example.org")
        data_key_ensure(user_id=user.pk)
        tokens_issue(user_id=user.pk)


def _act(client: Client, action: str, user: User, *, confirmed: bool = True):
    data = {"action": action, "_selected_action": [str(user.pk)]}
    return client.post("/admin/users/user/", data | ({"confirmed": "yes"} if confirmed else {}))


@pytest.mark.req("OV-06")
@pytest.mark.parametrize("page", PAGES)
def test_a_list_asks_as_often_for_one_row_as_for_thirty(admin, page, django_assert_max_num_queries):
    _fill(1)
    with django_assert_max_num_queries(12) as few:
        assert admin.get(f"/admin/users/{page}/").status_code == 200
    _fill_more = 30
    for n in range(_fill_more):
        user = User.objects.create_user(f"more-{n}@example.org")
        data_key_ensure(user_id=user.pk)
        tokens_issue(user_id=user.pk)
    with django_assert_max_num_queries(len(few)):
        admin.get(f"/admin/users/{page}/")


@pytest.mark.req("OV-06")
def test_keys_hashes_and_passwords_appear_on_no_page(admin, ada):
    key = data_key_ensure(user_id=ada.pk)
    tokens_issue(user_id=ada.pk)
    token = RefreshToken.objects.get()
    pages = [
        admin.get(path).content.decode()
        for path in (
            "/admin/users/user/",
            f"/admin/users/user/{ada.pk}/change/",
            "/admin/users/datakey/",
            f"/admin/users/datakey/{ada.pk}/change/",
            "/admin/users/refreshtoken/",
            f"/admin/users/refreshtoken/{token.pk}/change/",
        )
    ]
    for secret in (key.wrapped, token.token_hash, ada.password):
        assert not any(secret in page for page in pages)


@pytest.mark.parametrize("page", ["refreshtoken", "datakey", "externalidentity"])
def test_what_the_product_writes_cannot_be_written_here(admin, page):
    assert admin.get(f"/admin/users/{page}/add/").status_code == 403


def test_an_action_asks_first(admin, ada):
    response = _act(admin, "deactivate", ada, confirmed=False)
    page = response.content.decode()
    assert response.status_code == 200
    assert "ada@example.org" in page
    assert "refused at once" in page
    ada.refresh_from_db()
    assert ada.is_active


@pytest.mark.req("VB-06", "VB-86")
def test_deactivating_closes_the_account_and_leaves_an_entry(admin, root, ada):
    tokens_issue(user_id=ada.pk)
    _act(admin, "deactivate", ada)
    ada.refresh_from_db()
    entry = LogEntry.objects.get()
    assert not ada.is_active
    assert RefreshToken.objects.filter(revoked_at=None).count() == 0
    assert (entry.user, entry.object_id, entry.change_message) == (root, str(ada.pk), "deactivated")
    _act(admin, "activate", ada)
    ada.refresh_from_db()
    assert ada.is_active


def test_sign_ins_are_revoked(admin, ada):
    tokens_issue(user_id=ada.pk)
    _act(admin, "revoke_sign_ins", ada)
    assert RefreshToken.objects.filter(revoked_at=None).count() == 0


@pytest.mark.req("DP-133")
def test_a_data_key_is_rotated(admin, ada):
    before = data_key_ensure(user_id=ada.pk).wrapped
    _act(admin, "rotate_data_key", ada)
    key = DataKey.objects.get()
    assert key.wrapped != before
    assert len(key.retired) == 1


@pytest.mark.req("VB-10")
def test_deleting_an_account_destroys_its_key_first(admin, ada):
    data_key_ensure(user_id=ada.pk)
    _act(admin, "delete_account", ada)
    assert DataKey.objects.get().destroyed_at
    ada.refresh_from_db()
    assert ada.erasure_requested_at


def test_an_action_that_fails_says_so_and_leaves_no_entry(admin, ada):
    _act(admin, "delete_account", ada)
    before = LogEntry.objects.count()
    response = _act(admin, "rotate_data_key", ada)
    page = admin.get(response.headers["Location"]).content.decode()
    assert "destroyed" in page
    assert LogEntry.objects.count() == before


@pytest.mark.req("VB-86")
@pytest.mark.parametrize("action", ["rotate_data_key", "delete_account"])
def test_an_action_takes_its_own_permission(support, ada, action):
    assert _act(support, action, ada).status_code == 403
    ada.refresh_from_db()
    assert ada.erasure_requested_at is None


@pytest.mark.req("VB-86")
def test_only_a_superuser_hands_out_powers(support, ada):
    data = {"tier": "pro", "is_staff": "on", "is_superuser": "on"}
    assert support.post(f"/admin/users/user/{ada.pk}/change/", data).status_code == 302
    ada.refresh_from_db()
    assert (ada.tier, ada.is_staff, ada.is_superuser) == ("pro", False, False)


@pytest.mark.req("OV-06")
def test_cyd_sees_the_sign_in_page_only(cyd):
    client = Client()
    client.force_login(cyd)
    for page in PAGES:
        response = client.get(f"/admin/users/{page}/")
        assert response.status_code == 302
        assert "/admin/login/" in response.headers["Location"]


@pytest.mark.req("OV-06")
def test_who_signs_in_at_a_bookmark_of_the_sign_in_page_sees_the_admin(root):
    form = {"username": root.email, "password": "an operator's password"}
    answer = Client().post("/admin/login/", form)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_accounts_cannot_be_deleted_past_the_service(admin, ada):
    assert admin.post(f"/admin/users/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 403
    page = admin.get("/admin/users/user/").content.decode()
    assert "delete_selected" not in page


@pytest.mark.req("VB-86")
def test_every_change_of_accounts_and_groups_leaves_an_entry(admin, root, ada):
    admin.post(f"/admin/users/user/{ada.pk}/change/", {"tier": "pro", "is_staff": "on"})
    admin.post("/admin/auth/group/add/", {"name": "night shift"})
    group = Group.objects.get()
    admin.post(f"/admin/auth/group/{group.pk}/change/", {"name": "day shift"})
    for action in ("deactivate", "activate", "revoke_sign_ins", "rotate_data_key"):
        _act(admin, action, ada)
    admin.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    entries = LogEntry.objects.order_by("pk")
    assert {entry.user for entry in entries} == {root}
    assert [(entry.action_flag, entry.object_repr) for entry in entries] == [
        (CHANGE, "ada@example.org"),
        (ADDITION, "night shift"),
        (CHANGE, "day shift"),
        *[(CHANGE, "ada@example.org")] * 4,
        (DELETION, "day shift"),
    ]
