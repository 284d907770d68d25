import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from taskmapr.core.errors import InvalidToken, TokenExpired
from taskmapr.users.tokens import access_token_make, access_token_read


@pytest.fixture(autouse=True)
def _long_secret(settings):
    settings.JWT_SECRET = "long enough for every algorithm " * 3


@pytest.fixture
def signed(settings):
    """signed(claim=...) → a token like ours with these changes; None removes a claim."""

    def make(*, algorithm: str = "HS256", key: str | None = None, **changes) -> str:
        now = datetime.now(UTC)
        claims = {
            "iss": "taskmapr",
            "sub": str(uuid4()),
            "iat": now,
            "exp": now + timedelta(minutes=15),
            "jti": "1",
            "typ": "access",
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        secret = settings.JWT_SECRET if key is None else key
        return jwt.encode(claims, secret, algorithm=algorithm)

    return make


def _ago(**delta):
    return datetime.now(UTC) - timedelta(**delta)


@pytest.mark.req("VB-04")
def test_reads_what_it_made():
    user_id = uuid4()
    assert access_token_read(access_token_make(user_id).text) == user_id


@pytest.mark.req("VB-08", "OV-54")
def test_expired_is_said_only_when_nothing_else_is_wrong(signed):
    with pytest.raises(TokenExpired):
        access_token_read(signed(exp=_ago(seconds=31)))
    for wrong in ({"iss": "other"}, {"typ": "refresh"}, {"sub": "x"}, {"jti": None}):
        with pytest.raises(InvalidToken):
            access_token_read(signed(exp=_ago(seconds=31), **wrong))


@pytest.mark.req("OV-54")
def test_clocks_may_differ_by_half_a_minute(signed):
    assert access_token_read(signed(exp=_ago(seconds=25)))
    assert access_token_read(signed(nbf=datetime.now(UTC) + timedelta(seconds=25)))


@pytest.mark.req("VB-04", "OV-54")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"iss": None},
        {"sub": "ada"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"typ": None},
        {"typ": "refresh"},
        {"nbf": datetime(2100, 1, 1, tzinfo=UTC)},
        {"algorithm": "HS512"},
        {"key": "another-secret-another-secret-another"},
    ],
)
def test_refuses_every_other_token(signed, changes):
    with pytest.raises(InvalidToken):
        access_token_read(signed(**changes))


@pytest.mark.req("VB-04")
def test_refuses_unsigned_tokens_and_nonsense(signed):
    for text in (signed(algorithm="none", key=""), "", "a.b.c", "tm_123", "Bearer"):
        with pytest.raises(InvalidToken):
            access_token_read(text)


@pytest.mark.req("VB-04")
def test_the_settings_choose_the_algorithm(signed, settings):
    settings.JWT_ALGORITHM = "HS512"
    user_id = uuid4()
    text = access_token_make(user_id).text
    assert jwt.get_unverified_header(text)["alg"] == "HS512"
    assert access_token_read(text) == user_id
    with pytest.raises(InvalidToken):
        access_token_read(signed(algorithm="HS256"))


@pytest.mark.req("VB-08")
def test_a_token_that_was_good_expires_all_the_same(signed, monkeypatch):
    token = signed()
    assert access_token_read(token)

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 15 * 60 + 29)
    assert access_token_read(token)
    monkeypatch.setattr(time, "time", lambda: now + 15 * 60 + 31)
    with pytest.raises(TokenExpired):
        access_token_read(token)


@pytest.mark.req("OV-54")
def test_a_token_that_was_good_means_nothing_under_another_secret_or_algorithm(signed, settings):
    token = signed()
    assert access_token_read(token)

    settings.JWT_ALGORITHM = "HS512"
    with pytest.raises(InvalidToken):
        access_token_read(token)
    settings.JWT_ALGORITHM = "HS256"
    settings.JWT_SECRET = "another one, and long enough as well " * 3
    with pytest.raises(InvalidToken):
        access_token_read(token)
