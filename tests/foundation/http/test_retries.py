from __future__ import annotations

from datetime import UTC, datetime
from math import inf

import pytest

from taskmapr.foundation.http.retries import RetryPolicy, is_retried, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.req("IN-30")
@pytest.mark.parametrize(
    ("failures", "chance", "delay_s"),
    [(1, 0.0, 0.0), (1, 0.5, 0.25), (2, 0.5, 0.5), (2, 0.999, 0.999), (3, 0.5, None)],
)
def test_waits_a_random_part_of_a_doubling_time(
    failures: int, chance: float, delay_s: float | None
) -> None:
    found = RetryPolicy().delay_s(failures, chance=lambda: chance)

    assert found == (None if delay_s is None else pytest.approx(delay_s))


@pytest.mark.req("IN-30")
def test_never_waits_longer_than_the_cap() -> None:
    policy = RetryPolicy(attempts=2000)

    delays = [policy.delay_s(n, chance=lambda: 0.999) for n in range(1, 1999)]

    assert max(delay for delay in delays if delay is not None) == pytest.approx(30 * 0.999)


@pytest.mark.req("IN-30")
def test_waits_as_long_as_the_other_side_asks() -> None:
    policy = RetryPolicy()

    assert policy.delay_s(1, retry_after_s=45, chance=lambda: 0.9) == 45
    assert policy.delay_s(2, retry_after_s=0.1, chance=lambda: 0.9) == pytest.approx(0.9)


@pytest.mark.req("IN-30")
@pytest.mark.parametrize(("left_s", "delay_s"), [(5.01, 5), (5, None), (0, None), (-1, None)])
def test_begins_nothing_after_the_deadline(left_s: float, delay_s: float | None) -> None:
    assert RetryPolicy().delay_s(1, retry_after_s=5, left_s=left_s) == delay_s


def test_a_random_delay_lies_within_its_bound() -> None:
    delays = [RetryPolicy().delay_s(2, left_s=inf) for _ in range(200)]

    assert all(delay is not None and 0 <= delay < 1 for delay in delays)
    assert len(set(delays)) > 100


@pytest.mark.req("IN-30")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7),
        (" 0 ", 0),
        ("99999999999999999999", 86_400),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:01:30 +0100", 0),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("\u0667", None),
        # Numbers that no clock can show.
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 99999999999999999999:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +999999", None),
    ],
)
def test_reads_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, now=NOW) == seconds


@pytest.mark.req("IN-30")
def test_tells_answers_that_may_change() -> None:
    retried = [status for status in range(200, 600) if is_retried(status)]

    assert retried == [408, 425, 429, *range(500, 600)]
