import time

import jwt
import pytest
from django.contrib.auth.hashers import identify_hasher

from taskmapr.settings import web
from taskmapr.users.models import DataKey, RefreshToken, User

NEW = {"email": "Ada@Example.org", "password": "correct horse battery"}


@pytest.mark.req("VB-01", "VB-02", "VB-04")
def test_opens_an_account_and_signs_in(call):
    response = call("POST", "register", NEW)
    body = response.json()
    user = User.objects.get()
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert response.status_code == 201
    assert set(body) == {"access_token", "refresh_token", "expires_at"}
    assert (user.email, user.tier, user.is_staff) == ("ada@example.org", "free", False)
    assert set(claims) == {"iss", "sub", "exp", "iat", "jti", "typ"}
    assert (claims["iss"], claims["typ"], claims["sub"]) == ("taskmapr", "access", str(user.pk))
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert body["expires_at"] == claims["exp"]
    assert 890 <= body["expires_at"] - time.time() <= 901


@pytest.mark.req("VB-02", "DP-133")
def test_makes_the_data_key(call):
    call("POST", "register", NEW)
    assert DataKey.objects.get().user == User.objects.get()


@pytest.mark.req("VB-02")
def test_hashes_with_bcrypt_over_sha256(call, settings):
    settings.PASSWORD_HASHERS = web.PASSWORD_HASHERS
    call("POST", "register", NEW)
    stored = User.objects.get().password
    assert identify_hasher(stored).algorithm == "bcrypt_sha256"
    assert NEW["password"] not in stored


@pytest.mark.req("VB-02")
@pytest.mark.parametrize("spelling", ["ada@example.org", "ADA@EXAMPLE.ORG", " ada@example.org "])
def test_a_known_address_is_409_in_any_spelling(call, ada, spelling):
    response = call("POST", "register", {**NEW, "email": spelling})
    assert (response.status_code, response.json()["code"]) == (409, "email_taken")
    assert User.objects.count() == 1


@pytest.mark.req("VB-02")
def test_members_that_are_not_asked_for_are_ignored(call):
    powers = {"tier": "team", "is_staff": True, "is_superuser": True, "id": "1"}
    call("POST", "register", {**NEW, **powers})
    user = User.objects.get()
    assert (user.tier, user.is_staff, user.is_superuser) == ("free", False, False)


@pytest.mark.req("VB-02", "OV-08")
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "x" * 250 + "@a.org"}, "email"),
        ({"email": 3}, "email"),
        ({"password": "short1234"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": "9471036582"}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"password": None}, "password"),
    ],
)
def test_what_is_wrong_is_422_with_its_path(call, change, path):
    response = call("POST", "register", {**NEW, **change})
    assert response.status_code == 422
    assert {field["path"] for field in response.json()["details"]["fields"]} == {path}
    assert User.objects.count() == 0


def test_ten_characters_are_enough(call):
    assert call("POST", "register", {**NEW, "password": "zq7 vm2 kx"}).status_code == 201


@pytest.mark.req("VB-05")
def test_the_refresh_token_is_stored_as_a_hash_only(call):
    refresh = call("POST", "register", NEW).json()["refresh_token"]
    row = RefreshToken.objects.values().get()
    assert refresh not in str(row)
    assert 29.9 < (row["expires_at"] - row["created_at"]).total_seconds() / 86400 < 30.1


@pytest.mark.req("OV-09")
def test_answers_with_a_trailing_slash_too(call):
    assert call("POST", "register/", NEW).status_code == 201
