from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from taskmapr.core.errors import TaskMaprError
from taskmapr.users.models import RefreshToken, User
from taskmapr.users.services.accounts import password_change, user_register
from taskmapr.users.services.data_keys import data_key_ensure
from taskmapr.users.services.sign_ins import tokens_issue, tokens_refresh

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(*calls):
    """Run the calls in threads that start together. Returns results, or the code of the error."""
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            return call()
        except TaskMaprError as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture
def committed_ada(transactional_db) -> User:
    return User.objects.create_user("ada@example.org")


@pytest.mark.req("VB-05")
@pytest.mark.parametrize("_round", range(5))
def test_of_parallel_refreshes_with_one_token_at_most_one_succeeds(committed_ada, _round):
    token = tokens_issue(user_id=committed_ada.pk).refresh_token
    results = _at_once(*[lambda: tokens_refresh(refresh_token=token)] * 4)
    assert sorted(r for r in results if isinstance(r, str)) == ["token_reused"] * 3
    assert RefreshToken.objects.filter(revoked_at=None, used_at=None).count() == 0


@pytest.mark.req("VB-06")
@pytest.mark.parametrize("_round", range(5))
def test_no_token_survives_a_password_change_beside_a_refresh(committed_ada, _round):
    token = tokens_issue(user_id=committed_ada.pk).refresh_token
    _at_once(
        lambda: tokens_refresh(refresh_token=token),
        lambda: password_change(user_id=committed_ada.pk, password="another long password"),
    )
    assert RefreshToken.objects.filter(revoked_at=None).count() == 0


@pytest.mark.req("VB-02")
def test_of_parallel_registrations_one_wins(transactional_db):
    results = _at_once(
        *[lambda: user_register(email="ada@example.org", password="correct horse battery")] * 3
    )
    assert sorted(r for r in results if isinstance(r, str)) == ["email_taken"] * 2
    assert User.objects.count() == 1


@pytest.mark.req("DP-133")
def test_parallel_first_uses_make_one_data_key(committed_ada):
    keys = _at_once(*[lambda: data_key_ensure(user_id=committed_ada.pk).wrapped] * 4)
    assert len(set(keys)) == 1
