import pytest
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from taskmapr.users.development import is_local
from taskmapr.users.models import User
from taskmapr.users.services.dev_user import DEV_USER_ID

ME = "/api/v1/auth/me"


@pytest.fixture
def client() -> Client:
    """Of this machine, under its own name."""
    return Client(headers={"Host": "localhost"})


@pytest.fixture
def zero_config(settings, db):
    settings.ENV = "dev"
    settings.EMBEDDED_POSTGRES = settings.EMBEDDED_REDIS = True


@pytest.mark.req("OV-55")
def test_on_a_fresh_machine_the_development_user_is_at_home(client, zero_config):
    for _ in range(2):
        body = client.get(ME).json()
        assert (body["id"], body["email"]) == (str(DEV_USER_ID), "test-user-dev@localhost")
    assert User.objects.count() == 1
    assert not User.objects.get().has_usable_password()


@pytest.mark.req("OV-55")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"Via": "1.1 proxy"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
    ],
)
def test_but_not_for_those_who_come_through_a_proxy_or_from_another_site(
    client, zero_config, headers
):
    response = client.get(ME, headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "missing_token")


@pytest.mark.req("OV-55")
def test_nor_for_other_machines(client, zero_config):
    assert client.get(ME, REMOTE_ADDR="192.168.0.7").status_code == 401


@pytest.mark.req("OV-55")
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "http://127.0.0.1:5173"])
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_local_is_this_machine_by_every_name(peer, origin, host):
    extra = {"REMOTE_ADDR": peer, "HTTP_HOST": host}
    if origin:
        # The names of this machine are sites of their own to a browser.
        extra |= {"HTTP_ORIGIN": origin, "HTTP_SEC_FETCH_SITE": "cross-site"}
    assert is_local(RequestFactory().get("/", **extra))


@pytest.mark.req("OV-55")
@pytest.mark.parametrize(
    "extra",
    [
        {"HTTP_HOST": "rebound.example"},
        {"HTTP_HOST": ""},
        {"HTTP_HOST": "[::z]"},
        {"HTTP_ORIGIN": "http://["},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"REMOTE_ADDR": ""},
    ],
)
def test_a_foreign_name_for_this_machine_is_not_local(extra):
    assert not is_local(RequestFactory().get("/", **{"HTTP_HOST": "localhost", **extra}))


@pytest.mark.req("OV-55")
@pytest.mark.parametrize(
    ("name", "value"),
    [("ENV", "prod"), ("EMBEDDED_POSTGRES", False), ("EMBEDDED_REDIS", False)],
)
def test_nor_where_anything_is_configured(client, zero_config, settings, name, value):
    setattr(settings, name, value)
    assert client.get(ME).status_code == 401


@pytest.mark.req("OV-52")
def test_invalid_credentials_are_refused_also_where_none_are_needed(client, zero_config):
    assert client.get(ME, headers={"Authorization": "Bearer nonsense"}).status_code == 401


@pytest.mark.req("OV-55")
def test_without_authentication_everybody_is_the_development_user(client, settings, db):
    settings.DISABLE_AUTH = True
    response = client.get(
        ME, REMOTE_ADDR="192.168.0.7", headers={"Authorization": "Bearer nonsense"}
    )
    assert response.json()["id"] == str(DEV_USER_ID)


@pytest.mark.req("OV-54")
@pytest.mark.django_db
def test_a_server_without_a_signing_secret_says_so(settings):
    settings.JWT_SECRET = ""
    response = APIClient().get(ME, headers={"Authorization": "Bearer a.b.c"})
    assert (response.status_code, response.json()["code"]) == (503, "auth_not_configured")
