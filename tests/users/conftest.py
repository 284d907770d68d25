import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from taskmapr.settings.sign_in import ExternalSignIn
from taskmapr.users.development import keys_forget
from taskmapr.users.jwks import jwks_forget
from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import AuthTokens, tokens_issue
from taskmapr.users.without_database import identities_forget
from tests.users.identity_provider import IdentityProvider, identity_provider

#: With which the provider signs HS256 tokens.
SHARED_SECRET = "the provider's own secret, which is as long as the longest hash that it feeds"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _counters(request: pytest.FixtureRequest) -> None:
    """Sign-in failures are counted in Redis: begin with none wherever a test signs in."""
    uses_db = {"db", "transactional_db"} & set(request.fixturenames)
    if uses_db or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("redis_url")


@pytest.fixture(autouse=True)
def _keys_unknown() -> Iterator[None]:
    """What the process remembers of other tests' keys."""
    keys_forget()
    yield
    keys_forget()


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_user("ada@example.org", PASSWORD)


@pytest.fixture
def cyd(db) -> User:
    return User.objects.create_user("cyd@example.net", "a stranger's password")


@pytest.fixture
def ada_tokens(ada) -> AuthTokens:
    return tokens_issue(user_id=ada.pk)


@pytest.fixture
def call(db) -> Callable[..., HttpResponse]:
    """call("POST", "login", {...}, token="...") → the answer of /api/v1/auth/login."""
    client = Client()

    def _call(method: str, name: str, body: Any = None, *, token: str = "", **headers: str):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = b"" if body is None else json.dumps(body)
        return client.generic(
            method,
            f"/api/v1/auth/{name}",
            data,
            content_type="application/json",
            headers=headers,
        )

    return _call


@pytest.fixture
def provider(settings: Any, redis_url: str) -> Iterator[IdentityProvider]:
    """An external identity provider that this server trusts, with nothing fetched from it yet."""
    with identity_provider() as running:
        settings.EXTERNAL_SIGN_IN = ExternalSignIn(
            jwt_secret=SHARED_SECRET,
            jwks_urls=(running.jwks_url, f"{running.issuer}/jwks"),
            issuer=running.issuer,
            is_named=True,
        )
        jwks_forget()
        identities_forget()
        yield running
    jwks_forget()


@pytest.fixture
def credentials(ada) -> dict[str, str]:
    return {"email": ada.email, "password": PASSWORD}
