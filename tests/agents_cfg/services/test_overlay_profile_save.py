"""overlay_profile_save: one default, versions that count, nothing malformed."""

from __future__ import annotations

import logging

import pytest

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
