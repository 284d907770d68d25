"""overlay_profile_save: one default, versions that count, nothing malformed."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from agents_cfg.models import OverlayProfile
from agents_cfg.services.overlay_profiles import overlay_profile_save
from taskmapr.core.errors import InvalidInput

pytestmark = pytest.mark.django_db


def saved(**changes: object) -> OverlayProfile:
    profile = OverlayProfile(**{"name": "shop", **changes})
    return overlay_profile_save(profile=profile, by="root")


@pytest.mark.req("OV-40")
def test_each_change_of_behaviour_counts_one_version() -> None:
    profile = saved()
    assert profile.version == 1

    profile.instructions = "Be brief."
    overlay_profile_save(profile=profile, by="root")
    assert profile.version == 2

    overlay_profile_save(profile=profile, by="root")
    assert OverlayProfile.objects.get().version == 2


def test_the_version_counts_from_the_stored_one() -> None:
    profile = saved()
    stale = OverlayProfile.objects.get()
    for words in ("one", "two"):
        profile.instructions = words
        overlay_profile_save(profile=profile, by="root")

    stale.instructions = "three"
    overlay_profile_save(profile=stale, by="root")

    assert OverlayProfile.objects.get().version == 4


@pytest.mark.req("OV-40")
def test_a_new_default_takes_it_from_the_one_before() -> None:
    saved(name="old", is_default=True)

    saved(name="new", is_default=True)

    assert [p.name for p in OverlayProfile.objects.filter(is_default=True)] == ["new"]
    assert OverlayProfile.objects.get(name="old").version == 1


def saved_by_another(name: str) -> None:
    try:
        saved(name=name, is_default=True)
    finally:
        connection.close()


def wait_for_waiting(count: int) -> None:
    """Until so many connections to this database wait for a lock."""
    until = time.monotonic() + 20
    waiting = 0
    while waiting < count:
        assert time.monotonic() < until, f"{waiting} of {count} wait"
        time.sleep(0.02)
        with connection.cursor() as cursor:
            # What a transaction saw of other connections once, it sees until then.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE NOT l.granted AND a.datname = current_database()"
            )
            (waiting,) = cursor.fetchone()


@pytest.mark.req("OV-40")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [[], ["old"]])
def test_of_several_new_defaults_at_once_the_last_one_keeps_it(before: list[str]) -> None:
    for name in before:
        saved(name=name, is_default=True)

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            saved(name="first", is_default=True)
            others = [pool.submit(saved_by_another, name) for name in ("second", "third")]
            wait_for_waiting(2)
        for other in others:
            other.result(timeout=20)

    names = [*before, "first", "second", "third"]
    assert set(OverlayProfile.objects.values_list("name", flat=True)) == set(names)
    (default,) = OverlayProfile.objects.filter(is_default=True)
    assert default.name in ("second", "third")


@pytest.mark.parametrize(
    "changes",
    [
        {"allowed_origins": ["app.example.com"]},
        {"allowed_origins": ["https://app.example.com/path"]},
        {"navigate_origins": ["javascript:alert(1)"]},
        {"routes": {"path": "/tags"}},
        {"routes": [{"title": "Tags"}]},
        {"routes": [{"path": "//evil.example"}]},
        {"routes": [{"path": "/x"}] * 201},
    ],
)
def test_malformed_members_are_refused_and_named(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        saved(**changes)

    assert refusal.value.details["fields"][0]["path"] == next(iter(changes))
    assert not OverlayProfile.objects.exists()


def test_says_who_changed_what(caplog: pytest.LogCaptureFixture) -> None:
    profile = saved()
    profile.keywords = ["task"]
    with caplog.at_level(logging.INFO, "agents_cfg.services.overlay_profiles"):
        overlay_profile_save(profile=profile, by="root@example.org")

    assert caplog.messages[-1:] == ["overlay profile shop v2 by root@example.org: keywords"]
