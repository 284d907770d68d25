import threading

import pytest
from django.db import connection
from django.test import Client

from taskmapr.users.models import DataKey, ExternalIdentity, User
from taskmapr.users.services.external_users import external_user_ensure

ISSUER = "https://id.example/auth/v1"
ME = "/api/v1/auth/me"


@pytest.mark.req("VB-01")
@pytest.mark.django_db
def test_the_first_use_makes_a_free_user_with_a_key_and_no_password():
    user = external_user_ensure(issuer=ISSUER, subject="s-1", email=" Ada@Example.ORG ")
    user = User.objects.get(pk=user.pk)
    assert (user.email, user.tier, user.is_active) == ("ada@example.org", "free", True)
    assert not user.has_usable_password()
    assert not user.is_staff
    assert DataKey.objects.get().user == user
    assert ExternalIdentity.objects.get().user == user


@pytest.mark.req("VB-01")
@pytest.mark.django_db
def test_later_uses_read_once_and_write_nothing(django_assert_num_queries):
    first = external_user_ensure(issuer=ISSUER, subject="s-1", email="a@example.org")
    with django_assert_num_queries(1):
        again = external_user_ensure(issuer=ISSUER, subject="s-1", email="other@example.org")
    assert (again.pk, again.email) == (first.pk, "a@example.org")


@pytest.mark.req("VB-01")
def test_an_address_alone_never_joins_two_accounts(ada):
    ben = external_user_ensure(issuer=ISSUER, subject="s-1", email=ada.email)
    cyd = external_user_ensure(issuer="https://other.example", subject="s-1", email=ada.email)
    assert len({ada.pk, ben.pk, cyd.pk}) == 3
    assert ben.email.endswith("@external.invalid")
    assert User.objects.get(email=ada.email) == ada


@pytest.mark.req("VB-01")
@pytest.mark.django_db
@pytest.mark.parametrize(
    "email", ["", "no address", "a@b", "x" * 300 + "@example.org", "a@b\x00.c"]
)
def test_without_a_usable_address_there_is_a_placeholder(email):
    user = external_user_ensure(issuer=ISSUER, subject="s-1", email=email)
    assert user.email.endswith("@external.invalid")


@pytest.mark.req("VB-01")
@pytest.mark.django_db
def test_the_same_subject_at_two_issuers_is_two_users():
    one = external_user_ensure(issuer=ISSUER, subject="s-1")
    two = external_user_ensure(issuer="https://other.example", subject="s-1")
    assert one.pk != two.pk


@pytest.mark.req("VB-01", "OV-53")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("email", ["ada@example.org", ""])
def test_simultaneous_first_uses_make_one_user(email):
    barrier, made = threading.Barrier(6), []

    def first_use():
        barrier.wait(10)
        try:
            made.append(external_user_ensure(issuer=ISSUER, subject="s-1", email=email).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=first_use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 6
    assert len(set(made)) == 1
    assert User.objects.count() == ExternalIdentity.objects.count() == 1


@pytest.mark.req("VB-01")
@pytest.mark.django_db
def test_a_later_request_costs_one_query(provider, django_assert_num_queries):
    headers = {"Authorization": f"Bearer {provider.token()}"}
    assert Client().get(ME, headers=headers).status_code == 200
    with django_assert_num_queries(1):
        Client().get(ME, headers=headers)
