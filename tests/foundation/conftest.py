from collections.abc import Iterator

import pytest
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries
from django.test import Client

from taskmapr.foundation.request_signals import start_signals_quiet
from taskmapr.users.models import User
from taskmapr.users.tokens import access_token_make


@pytest.fixture
def failing(settings) -> Client:
    """A client of the views that fail."""
    settings.ROOT_URLCONF = "tests.foundation.failing_urls"
    return Client(raise_request_exception=False)


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def as_ada(ada) -> dict[str, str]:
    """Ada's Authorization header, for `headers=`."""
    return {"Authorization": f"Bearer {access_token_make(ada.pk).text}"}


@pytest.fixture
def quiet() -> Iterator[None]:
    """Signals as in a web process."""
    start_signals_quiet()
    yield
    request_started.connect(reset_queries)
    request_started.connect(close_old_connections)
