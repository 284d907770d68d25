"""The limits of keys and profiles, where runs are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from agents_cfg.models import OverlayProfile
from agents_cfg.selectors.profiles import profiles_forget
from orchestration.models import Run
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import api_key_issue
from tests.orchestration.api.conftest import Call

PATH = "/api/taskmapr/orchestrate"


@pytest.fixture(autouse=True)
def five_a_minute(settings: Any, db: None) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "rate_limit_per_minute": 5}
    profiles_forget()


@pytest.mark.req("OV-57")
def test_a_profile_has_a_limit_of_its_own(call: Call) -> None:
    OverlayProfile.objects.create(name="slow", rate_limit_per_minute=1)

    first = call("POST", PATH, '{"profile":"slow"}')
    second = call("POST", PATH, '{"profile":"slow","prompt":"hi"}')
    other = call("POST", PATH, "{}")

    assert (first.status, second.status, other.status) == (422, 429, 422)
    assert first.headers["RateLimit-Limit"] == "1"
    assert other.headers["RateLimit-Limit"] == "5"
    assert not Run.objects.exists()


@pytest.mark.req("OV-57")
def test_the_profile_of_an_origin_counts_too(call: Call) -> None:
    OverlayProfile.objects.create(
        name="shop", allowed_origins=["https://shop.example"], rate_limit_per_minute=9
    )

    answer = call("POST", PATH, "{}", origin="https://shop.example")

    assert answer.headers["RateLimit-Limit"] == "9"


@pytest.mark.req("OV-57")
@pytest.mark.parametrize("named", ['"nowhere"', '"no slug\\u0000"', "3", "[]"])
def test_an_odd_profile_name_is_counted_like_none(call: Call, named: str) -> None:
    answer = call("POST", PATH, f'{{"profile":{named}}}')

    assert answer.headers["RateLimit-Limit"] == "5"
    assert answer.headers["RateLimit-Remaining"] == "4"


@pytest.mark.req("OV-57")
def test_a_key_has_a_limit_of_its_own_that_wins(call: Call, ada: User) -> None:
    OverlayProfile.objects.create(name="slow", rate_limit_per_minute=1)
    made = api_key_issue(user_id=ada.pk, name="backend", scopes=["overlay"], rate_per_minute=2)

    answers = [
        call("POST", PATH, '{"profile":"slow"}', user=None, x_api_key=made.text) for _ in range(3)
    ]

    assert [answer.status for answer in answers] == [422, 422, 429]
    assert call("POST", PATH, "{}").status == 422
