from __future__ import annotations

import pytest

from orchestration.page.context import RequestConfig
from orchestration.page.profile import ModelChoice, ProfileView, model_choice

WISHES = RequestConfig(model="big", temperature=1.5, max_tokens=9_000, instructions="be rude")


@pytest.mark.req("OV-11")
def test_a_profile_that_allows_nothing_decides_alone():
    profile = ProfileView(model="small", max_output_tokens=500)

    assert model_choice(WISHES, profile) == ModelChoice(
        model="small", temperature=1.5, max_output_tokens=500, instructions=""
    )


@pytest.mark.req("OV-11")
def test_allowed_wishes_are_followed():
    profile = ProfileView(model="small", allowed_models=("big",), instructions_allowed=True)

    assert model_choice(WISHES, profile) == ModelChoice(
        model="big", temperature=1.5, max_output_tokens=9_000, instructions="be rude"
    )


@pytest.mark.req("OV-11")
def test_without_wishes_the_profile_speaks():
    profile = ProfileView(model="small", temperature=0.3, instructions_allowed=True)

    assert model_choice(RequestConfig(), profile) == ModelChoice(
        model="small", temperature=0.3, max_output_tokens=None, instructions=""
    )
