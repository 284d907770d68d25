"""The admin's cookie lets its operator call the API, from the admin's own pages only."""

import json

import pytest
from django.test import Client

from taskmapr.users.models import User
from taskmapr.users.services.accounts import user_deactivate
from taskmapr.users.services.dev_user import DEV_USER_ID
from taskmapr.users.services.sign_ins import tokens_issue

ME = "/api/v1/auth/me"
LOGOUT = "/api/v1/auth/logout"
STREAM = "/api/taskmapr/runs/00000000-0000-7000-8000-000000000000/stream"
HERE = {"Host": "localhost"}


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root@example.org", "an operator's password")


@pytest.fixture
def browser(root) -> Client:
    """Signed in to the admin, with the cookies that a browser has by then."""
    client = Client(enforce_csrf_checks=True, headers=HERE)
    client.force_login(root)
    assert client.get("/admin/users/user/").status_code == 200
    assert "csrftoken" in client.cookies
    return client


def _post(client, **headers):
    body = json.dumps({"refresh_token": "unknown"})
    return client.post(LOGOUT, body, content_type="application/json", headers=headers)


@pytest.mark.req("OV-52")
def test_the_cookie_is_a_credential(browser, root):
    response = browser.get(ME)
    assert (response.status_code, response.json()["id"]) == (200, str(root.pk))
    assert "Set-Cookie" not in response.headers


@pytest.mark.req("OV-52")
def test_what_changes_something_needs_the_token_beside_the_cookie(browser):
    refused = _post(browser)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert _post(browser, **{"X-CSRFToken": "x" * 64}).status_code == 403
    token = browser.cookies["csrftoken"].value
    assert _post(browser, **{"X-CSRFToken": token}).status_code == 200


@pytest.mark.req("OV-52")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_strangers(browser, headers):
    token = browser.cookies["csrftoken"].value
    assert browser.get(ME, headers=headers).status_code == 401
    assert _post(browser, **{"X-CSRFToken": token, **headers}).status_code == 401


@pytest.mark.req("OV-52")
def test_pages_of_this_site_are_not(browser):
    token = browser.cookies["csrftoken"].value
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert browser.get(ME, headers=own).status_code == 200
    assert _post(browser, **{"X-CSRFToken": token, **own}).status_code == 200


@pytest.mark.req("OV-52")
def test_a_bad_header_is_refused_in_spite_of_a_good_cookie(browser):
    for headers in ({"Authorization": "Bearer wrong"}, {"x-api-key": "tm_wrong"}):
        response = browser.get(ME, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("OV-52")
def test_a_good_header_is_who_asks_whatever_the_cookie_says(browser, ada):
    token = tokens_issue(user_id=ada.pk).access_token
    response = browser.get(ME, headers={"Authorization": f"Bearer {token}"})
    assert response.json()["id"] == str(ada.pk)


@pytest.mark.req("OV-52")
def test_a_cookie_that_names_nobody_is_no_credential(root, ada):
    client = Client(headers=HERE)
    client.cookies["sessionid"] = "unknown"
    assert client.get(ME).json()["code"] == "missing_token"
    client.force_login(ada)
    assert client.get(ME).status_code == 401
    client.force_login(root)
    user_deactivate(user_id=root.pk)
    assert client.get(ME).status_code == 401


@pytest.mark.req("OV-52")
def test_a_changed_password_ends_the_session(browser, root):
    root.set_password("quite another password")
    root.save()
    assert browser.get(ME).status_code == 401


@pytest.mark.req("OV-50", "OV-52")
def test_addresses_that_take_a_token_take_no_cookie(browser):
    assert browser.get(STREAM).status_code == 401


@pytest.mark.req("OV-55")
def test_on_a_fresh_machine_the_development_user_stays_who_asks(browser, settings):
    settings.ENV = "dev"
    settings.EMBEDDED_POSTGRES = settings.EMBEDDED_REDIS = True
    assert browser.get(ME).json()["id"] == str(DEV_USER_ID)
