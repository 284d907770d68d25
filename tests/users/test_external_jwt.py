"""Tokens of the external provider: which are let in, and how each forgery is refused."""

import base64
import dataclasses
import json
import time

import jwt
import pytest
from django.test import Client

from taskmapr.users.models import ExternalIdentity, User
from taskmapr.users.services.accounts import user_deactivate
from taskmapr.users.services.sign_ins import tokens_issue
from taskmapr.users.tokens import access_token_make
from tests.users.conftest import SHARED_SECRET
from tests.users.identity_provider import SUBJECT, Key, encoded, signed

ME = "/api/v1/auth/me"
pytestmark = pytest.mark.django_db


def ask(token, **headers):
    response = Client().get(ME, headers={"Authorization": f"Bearer {token}", **headers})
    return response.status_code, response.json()


def code(token):
    status, body = ask(token)
    return status, body.get("code", "")


def configured(settings, **changes):
    settings.EXTERNAL_SIGN_IN = dataclasses.replace(settings.EXTERNAL_SIGN_IN, **changes)


def handmade(header, claims, signature=b"x"):
    tail = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return f"{encoded(header)}.{encoded(claims)}.{tail}"


def claims_of(provider):
    return jwt.decode(provider.token(), options={"verify_signature": False})


@pytest.mark.req("OV-53", "OV-S9")
@pytest.mark.parametrize("kind", ["rsa", "ec", "hs"])
def test_each_accepted_algorithm_lets_its_user_in(provider, kind):
    token = (
        provider.token(SHARED_SECRET, alg="HS256")
        if kind == "hs"
        else provider.token(getattr(provider, kind))
    )
    status, body = ask(token)
    assert status == 200
    assert (body["email"], body["tier"]) == ("ada@provider.example", "free")


@pytest.mark.req("VB-01", "VB-04")
def test_native_tokens_go_on_working_beside_it(provider, ada):
    assert ask(access_token_make(ada.pk).text)[1]["id"] == str(ada.pk)
    assert provider.asked == []


@pytest.mark.req("OV-53", "OV-S9")
def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(provider):
    """The oldest trick: what verifies RS256 is public, so it must never verify HS256."""
    public = provider.rsa.public_pem
    for key in (public, public.strip(), json.dumps(provider.rsa.listed()).encode()):
        header = {"alg": "HS256", "typ": "JWT", "kid": provider.rsa.kid}
        assert code(signed(key, header, claims_of(provider))) == (401, "invalid_token")


@pytest.mark.req("OV-53")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS257", "PS256", "EdDSA", "ES256K"])
def test_no_algorithm_and_foreign_ones_are_refused(provider, alg):
    claims = claims_of(provider)
    for signature in (b"", b"x" * 64):
        assert code(handmade({"alg": alg, "typ": "JWT"}, claims, signature)) == (
            401,
            "invalid_token",
        )


@pytest.mark.req("OV-53")
def test_an_algorithm_that_is_not_listed_is_refused(provider, settings):
    configured(settings, algorithms=("ES256",))
    assert code(provider.token(provider.ec))[0] == 200
    assert code(provider.token(provider.rsa)) == (401, "invalid_token")
    assert code(provider.token(SHARED_SECRET, alg="HS256")) == (401, "invalid_token")
    configured(settings, algorithms=("HS256", "HS512"))
    assert code(provider.token("another secret" * 8, alg="HS512")) == (401, "invalid_token")


@pytest.mark.req("OV-53")
def test_none_is_refused_also_where_somebody_lists_it(provider, settings):
    configured(settings, algorithms=("NONE", "none"))
    claims = claims_of(provider)
    assert code(handmade({"alg": "none"}, claims, b"")) == (401, "invalid_token")


@pytest.mark.req("OV-53")
def test_shared_secrets_verify_only_where_one_is_configured(provider, settings):
    configured(settings, jwt_secret="")
    for secret in ("", "x" * 40, SHARED_SECRET):
        token = signed(secret, {"alg": "HS256"}, claims_of(provider))
        assert code(token) == (401, "invalid_token")


@pytest.mark.req("OV-53")
@pytest.mark.parametrize(
    "kid",
    [
        "../../../dev/null",
        "/etc/passwd",
        "https://evil.example/jwks.json",
        "rsa-1' OR '1'='1",
        "rsa-1\x00",
        "ec-1",
        "unknown",
        "",
        "x" * 3000,
        7,
        None,
    ],
)
def test_tricks_with_key_ids(provider, kid):
    """A stranger's key under any name; the name of another key; names that are no names."""
    stranger = Key(None)
    assert code(provider.token(stranger, headers={"kid": kid})) == (401, "invalid_token")
    assert all(path.endswith(("/jwks", "/jwks.json")) for path, _ in provider.asked)


@pytest.mark.req("OV-53")
def test_a_key_fits_its_algorithm_only(provider):
    claims = {"iss": provider.issuer, "aud": "authenticated", "sub": SUBJECT, "exp": 9_999_999_999}
    assert code(handmade({"alg": "RS256", "kid": "ec-1"}, claims))[0] == 401
    assert code(handmade({"alg": "ES256", "kid": "rsa-1"}, claims))[0] == 401
    provider.keys = [provider.rsa.listed(alg="RS512"), provider.ec.listed(use="enc")]
    from taskmapr.users.jwks import jwks

    jwks().fetch()
    assert code(provider.token(provider.rsa)) == (401, "invalid_token")
    assert code(provider.token(provider.ec)) == (401, "invalid_token")


@pytest.mark.req("OV-53")
@pytest.mark.parametrize(
    "headers",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
    ],
)
def test_a_token_does_not_bring_its_own_key(provider, headers):
    stranger = Key("stranger")
    if "jwk" in headers:
        headers = {"jwk": stranger.listed()}
    assert code(provider.token(stranger, headers=headers)) == (401, "invalid_token")


@pytest.mark.req("OV-54", "OV-S9")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"exp": -31}, "token_expired"),
        ({"exp": -3600}, "token_expired"),
        ({"nbf": 31 + 5}, "invalid_token"),
        ({"iat": 31 + 5}, "invalid_token"),
    ],
)
def test_times_that_do_not_fit(provider, change, expected):
    now = int(time.time())
    token = provider.token(**{name: now + seconds for name, seconds in change.items()})
    assert code(token) == (401, expected)


@pytest.mark.req("OV-54")
def test_clocks_may_differ_by_half_a_minute(provider):
    now = int(time.time())
    assert code(provider.token(exp=now - 25))[0] == 200
    assert code(provider.token(nbf=now + 25, iat=now + 25))[0] == 200


@pytest.mark.req("OV-54")
@pytest.mark.parametrize("exp", [None, "soon", "9999999999", True, [], {}, float("nan")])
def test_an_end_that_is_not_a_time_is_no_end(provider, exp):
    assert code(provider.token(exp=exp)) == (401, "invalid_token")
    assert code(provider.token(drop=["exp"])) == (401, "invalid_token")


@pytest.mark.req("OV-54")
@pytest.mark.parametrize("exp", [float("inf"), 10**400])
def test_nor_is_one_beyond_all_numbers(provider, exp):
    assert code(provider.token(exp=exp)) == (401, "invalid_token")


@pytest.mark.req("OV-54", "OV-S9")
@pytest.mark.parametrize("aud", ["anon", "", None, [], ["anon"], {"authenticated": 1}, 7, [["x"]]])
def test_another_audience(provider, aud):
    assert code(provider.token(aud=aud)) == (401, "invalid_audience")
    assert code(provider.token(drop=["aud"])) == (401, "invalid_audience")


@pytest.mark.req("OV-54")
def test_one_of_several_audiences_is_enough_and_a_star_takes_any(provider, settings):
    assert code(provider.token(aud=["anon", "authenticated"]))[0] == 200
    configured(settings, audiences=frozenset({"a", "b"}))
    assert code(provider.token(aud="b"))[0] == 200
    assert code(provider.token()) == (401, "invalid_audience")
    configured(settings, audiences=None)
    assert code(provider.token(aud="anon"))[0] == 200
    assert code(provider.token(drop=["aud"]))[0] == 200


@pytest.mark.req("OV-54", "VB-01")
@pytest.mark.parametrize("iss", ["https://evil.example/auth/v1", "", None, 7, "taskmapr "])
def test_another_issuer(provider, iss):
    assert code(provider.token(iss=iss)) == (401, "invalid_issuer")
    assert code(provider.token(drop=["iss"])) == (401, "invalid_issuer")


@pytest.mark.req("VB-01", "VB-04")
def test_the_provider_cannot_speak_in_the_name_of_this_server(provider, ada):
    """The issuer selects the verifier, and the native one knows only its own secret."""
    said = {"iss": "taskmapr", "sub": str(ada.pk), "typ": "access", "jti": "1"}
    for key in (provider.rsa, provider.ec):
        assert code(provider.token(key, **said)) == (401, "invalid_token")
    assert code(provider.token(SHARED_SECRET, alg="HS256", **said)) == (401, "invalid_token")


@pytest.mark.req("OV-54")
@pytest.mark.parametrize("sub", [None, "", "  ", 7, ["x"], {"a": 1}])
def test_nobody_is_named(provider, sub):
    assert code(provider.token(sub=sub)) == (401, "missing_subject")
    assert code(provider.token(drop=["sub"])) == (401, "missing_subject")
    assert User.objects.count() == 0


@pytest.mark.req("OV-54")
def test_user_id_stands_in_for_a_missing_subject(provider):
    status, body = ask(provider.token(drop=["sub"], user_id="u-7"))
    assert status == 200
    assert ExternalIdentity.objects.get().subject == "u-7"
    assert ask(provider.token(sub="u-7", user_id="other"))[1]["id"] == body["id"]


@pytest.mark.req("OV-54")
@pytest.mark.parametrize("sub", ["x" * 256, "a\x00b", "a\nb"])
def test_a_subject_that_cannot_be_kept_is_refused(provider, sub):
    assert code(provider.token(sub=sub)) == (401, "invalid_token")


@pytest.mark.req("OV-54", "VB-08")
def test_expired_means_that_nothing_else_is_wrong(provider):
    past = int(time.time()) - 3600
    assert code(provider.token(exp=past)) == (401, "token_expired")
    assert code(provider.token(exp=past, aud="anon")) == (401, "invalid_audience")
    assert code(provider.token(exp=past, iss="x")) == (401, "invalid_issuer")
    assert code(provider.token(exp=past, drop=["sub"])) == (401, "missing_subject")
    assert code(provider.token(Key("rsa-1"), exp=past)) == (401, "invalid_token")


@pytest.mark.req("VB-04", "OV-54")
@pytest.mark.parametrize("typ", ["refresh", "Refresh", "ID", "offline"])
def test_other_kinds_of_tokens_are_not_access_tokens(provider, typ):
    assert code(provider.token(typ=typ)) == (401, "invalid_token")


@pytest.mark.req("VB-04")
def test_a_refresh_token_is_not_an_access_token(provider, ada):
    tokens = tokens_issue(user_id=ada.pk)
    assert code(tokens.refresh_token) == (401, "invalid_token")


@pytest.mark.req("OV-54")
def test_the_keys_of_the_project_itself_are_nobody(provider):
    """Supabase's anon and service keys are JWTs too, signed with the same secret."""
    for role in ("anon", "service_role"):
        token = jwt.encode(
            {"iss": "supabase", "ref": "x", "role": role, "exp": 9_999_999_999},
            SHARED_SECRET,
            algorithm="HS256",
        )
        assert code(token)[0] == 401


@pytest.mark.req("OV-54")
@pytest.mark.parametrize(
    "token",
    [
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        "e30.e30.e30",
        "eyJhbGciOiJIUzI1NiJ9..",
        "bnVsbA.bnVsbA.bnVsbA",
        "WzFd.WzFd.WzFd",
    ],
)
def test_what_is_no_token_at_all(provider, token):
    assert code(token) == (401, "invalid_token")


@pytest.mark.req("OV-54")
def test_huge_and_deep_ones_are_refused_unread(provider, settings):
    token = provider.token(bulk="x" * 9000)
    assert code(token) == (401, "invalid_token")
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 2900).decode().rstrip("=")
    for config in (settings.EXTERNAL_SIGN_IN, dataclasses.replace(settings.EXTERNAL_SIGN_IN)):
        settings.EXTERNAL_SIGN_IN = config
        assert code(f"{deep}.e30.e30") == (401, "invalid_token")
        configured(settings, jwt_secret="", jwks_urls=())
        assert code(f"{deep}.e30.e30") == (401, "invalid_token")


@pytest.mark.req("OV-54")
@pytest.mark.parametrize("extra", ["é", "\u200b", " x", ",Bearer y", '"', "\t"])
def test_other_characters_than_a_tokens_are_refused(provider, extra):
    token = provider.token()
    raw = f"Bearer {token[:40]}{extra}{token[40:]}".encode().decode("latin-1")
    response = Client().get(ME, HTTP_AUTHORIZATION=raw)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("OV-52")
def test_two_authorizations_are_none(provider):
    good = provider.token()
    for header in (f"Bearer {good}, Bearer {good}", f"Bearer {good}, Basic eDp5"):
        response = Client().get(ME, headers={"Authorization": header})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    for header in (f"Token {good}", good, "Basic eDp5", f"Basic eDp5, Bearer {good}"):
        response = Client().get(ME, headers={"Authorization": header})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_scheme")


@pytest.mark.req("OV-52")
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "BeArEr"])
def test_the_case_of_the_scheme_does_not_matter(provider, scheme):
    response = Client().get(ME, headers={"Authorization": f"{scheme} {provider.token()}"})
    assert response.status_code == 200


@pytest.mark.req("OV-54")
def test_a_changed_claim_breaks_the_signature(provider):
    head, body, signature = provider.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sub"] = "somebody-else"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert code(f"{head}.{forged}.{signature}") == (401, "invalid_token")
    assert code(f"{head}.{body}.") == (401, "invalid_token")


@pytest.mark.req("VB-06", "VB-01")
def test_a_closed_account_stays_closed_with_a_good_token(provider):
    token = provider.token()
    assert ask(token)[0] == 200
    user_deactivate(user_id=User.objects.get().pk)
    assert code(token) == (401, "invalid_token")
    assert User.objects.count() == 1


@pytest.mark.req("OV-53")
def test_without_an_external_provider_its_tokens_are_refused(provider, settings):
    token = provider.token()
    configured(settings, jwt_secret="", jwks_urls=())
    assert code(token) == (401, "invalid_token")
