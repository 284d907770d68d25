"""Starts are checked against quotas, and what they may take is held."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from billing.models import QuotaUse, Reservation
from billing.services.quotas import Settled, quota_reserve, quotas_settle
from taskmapr.core.errors import QuotaExceeded
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import AskedRun
from taskmapr.users.models import User
from tests.billing.conftest import Ask, MakeQuota


def settle(asked: AskedRun, *, tokens: int = 0, cost: int = 0, counts: bool = True) -> None:
    done = Settled(run_id=asked.run_id, counts=counts, tokens=tokens, cost_usd_micros=cost)
    with transaction.atomic():
        quotas_settle([done])


@pytest.mark.req("IN-38")
def test_calls_beyond_the_limit_are_refused_until_the_day_is_over(
    quota: MakeQuota, ask: Ask
) -> None:
    quota(max_calls=2)
    ask()
    ask()

    with pytest.raises(QuotaExceeded) as refused:
        ask()

    assert refused.value.status == 402
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    resets_at = datetime.fromisoformat(refused.value.details["resets_at"])
    assert resets_at in (midnight, midnight + timedelta(days=1))
    assert Reservation.objects.count() == 2


def test_a_month_ends_with_the_first_of_the_next(quota: MakeQuota, ask: Ask) -> None:
    quota(max_calls=0, period="month")

    with pytest.raises(QuotaExceeded) as refused:
        ask()

    resets_at = datetime.fromisoformat(refused.value.details["resets_at"])
    assert (resets_at.day, resets_at.hour, resets_at.tzinfo is not None) == (1, 0, True)
    assert resets_at > datetime.now(UTC)


@pytest.mark.req("IN-38")
def test_what_runs_took_takes_the_place_of_what_was_held(quota: MakeQuota, ask: Ask) -> None:
    quota(max_cost_usd_micros=100)
    first = ask(cost_usd_micros=60)
    with pytest.raises(QuotaExceeded):
        ask(cost_usd_micros=60)

    settle(first, cost=10)

    ask(cost_usd_micros=60)
    use = QuotaUse.objects.get()
    assert (use.cost_usd_micros, use.reserved_cost_usd_micros) == (10, 60)


def test_settling_twice_changes_nothing(quota: MakeQuota, ask: Ask) -> None:
    quota(max_calls=5)
    asked = ask()
    settle(asked, tokens=7)
    settle(asked, tokens=7)

    use = QuotaUse.objects.get()
    assert (use.calls, use.reserved_calls, use.tokens) == (1, 0, 7)


def test_a_run_that_did_nothing_gives_its_call_back(quota: MakeQuota, ask: Ask) -> None:
    quota(max_calls=1)
    settle(ask(), counts=False)
    ask()


@pytest.mark.req("IN-38")
def test_used_up_tokens_and_money_refuse_runs_of_unknown_cost(quota: MakeQuota, ask: Ask) -> None:
    quota(max_tokens=100, pattern="agent.*")
    quota(max_cost_usd_micros=100, pattern="overlay")
    settle(ask("agent.ask"), tokens=130)
    settle(ask("overlay"), cost=130)

    for name in ("agent.ask", "overlay"):
        with pytest.raises(QuotaExceeded):
            ask(name)
    ask("memory.write")


@pytest.mark.req("IN-38")
def test_users_keys_and_everybody_are_counted_apart(
    quota: MakeQuota, ask: Ask, ada: User, cyd: User
) -> None:
    quota(max_calls=1)
    quota(max_calls=1, scope="key")
    quota(max_calls=3, scope="everybody")
    ask()
    with pytest.raises(QuotaExceeded):
        ask(credential="key:1")
    ask(user=cyd, credential="key:1")

    assert sorted(QuotaUse.objects.values_list("principal", "reserved_calls")) == sorted(
        [(str(ada.pk), 1), (str(cyd.pk), 1), ("key:1", 1), ("", 2)]
    )


def test_a_quota_of_one_user_is_not_about_others(
    quota: MakeQuota, ask: Ask, ada: User, cyd: User
) -> None:
    quota(max_calls=0, user=ada)
    with pytest.raises(QuotaExceeded):
        ask()
    ask(user=cyd)


@pytest.mark.req("IN-38", "IN-52")
def test_it_is_told_once_that_little_is_left(
    quota: MakeQuota, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    quota(max_calls=10)
    told = []
    for _ in range(10):
        asked = AskedRun(run_id=uuid7(), user_id=ada.pk, credential="", name="memory.write")
        with transaction.atomic():
            told.append(quota_reserve(asked))

    assert [len(warnings) for warnings in told] == [0] * 7 + [1, 0, 0]
    assert told[7][0].startswith("80 % of the quota for * a day is used")
    assert caplog.text.count("[TaskMapr] Quota warning") == 1


def test_without_a_quota_nothing_is_asked_after_the_first_time(
    ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ask()
    with django_assert_num_queries(2):  # the savepoint of the transaction around it
        ask()


@pytest.mark.req("IN-38")
@pytest.mark.django_db(transaction=True)
def test_starts_at_the_same_time_never_exceed_a_limit(quota: MakeQuota, ada: User) -> None:
    quota(max_calls=20)
    quota(max_calls=30, scope="everybody")
    begun, refused = [], []
    lock = threading.Lock()

    def work() -> None:
        try:
            for _ in range(5):
                asked = AskedRun(run_id=uuid7(), user_id=ada.pk, credential="", name="memory.write")
                try:
                    with transaction.atomic():
                        quota_reserve(asked)
                    outcome = begun
                except QuotaExceeded:
                    outcome = refused
                with lock:
                    outcome.append(asked)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(begun), len(refused)) == (20, 30)
    assert set(QuotaUse.objects.values_list("reserved_calls", flat=True)) == {20}
    assert Reservation.objects.count() == 40
