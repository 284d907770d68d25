import pytest
from django.test import Client

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
