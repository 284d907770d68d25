from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents_cfg.models import ModelProfile, OverlayProfile
from agents_cfg.selectors.profiles import endpoint_for, model_is_stand_in, profiles_forget
from taskmapr.core.errors import ModelNotConfigured

pytestmark = pytest.mark.django_db
KEY = "sk-of-openai"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    profiles_forget()
    yield
    profiles_forget()


@pytest.fixture
def own(settings: Any) -> Any:
    """Set members of the TASKMAPR settings for one test."""

    def change(**members: Any) -> None:
        settings.TASKMAPR = {**settings.TASKMAPR, **members}

    change(openai_api_key="", openai_base_url="", default_model="gpt-5-mini")
    return change


def _profile(model: ModelProfile | None = None, **members: Any) -> OverlayProfile:
    return OverlayProfile.objects.create(name="p", model=model, **members)


@pytest.mark.req("OV-62")
def test_without_any_model_the_stand_in_answers(own: Any) -> None:
    endpoint = endpoint_for(_profile())

    assert (endpoint.model, endpoint.adapter) == ("mock/echo", "offline")
    assert model_is_stand_in()


@pytest.mark.req("OV-62")
def test_where_there_is_no_stand_in_that_is_an_error(own: Any) -> None:
    own(offline_model=False)

    with pytest.raises(ModelNotConfigured):
        endpoint_for(_profile())


@pytest.mark.req("OV-40", "OV-60")
def test_the_environments_model_is_the_default(own: Any) -> None:
    own(openai_api_key=KEY)

    endpoint = endpoint_for(_profile())

    assert (endpoint.model, endpoint.api_key, endpoint.base_url) == ("gpt-5-mini", KEY, "")
    assert not model_is_stand_in()


@pytest.mark.parametrize("model", ["anthropic/claude", "openrouter/some/model", "ollama/llama"])
@pytest.mark.parametrize("base_url", ["", "https://elsewhere.example/v1"])
def test_no_other_provider_sees_the_key_of_openai(own: Any, model: str, base_url: str) -> None:
    own(openai_api_key=KEY, default_model=model)
    row = ModelProfile.objects.create(name="other", model=model, base_url=base_url)

    assert endpoint_for(_profile()).api_key == ""
    profiles_forget()
    assert endpoint_for(OverlayProfile(name="q", model=row)).api_key == ""


def test_an_address_of_ones_own_does_not_see_it_either(own: Any) -> None:
    own(openai_api_key=KEY)
    row = ModelProfile.objects.create(name="vllm", model="m", base_url="http://gpu.example/v1")

    assert endpoint_for(_profile(row)).api_key == ""


def test_a_local_model_needs_no_key(own: Any) -> None:
    own(default_model="ollama/llama3.2")

    assert endpoint_for(_profile()).model == "ollama/llama3.2"


@pytest.mark.req("OV-11", "OV-40")
@pytest.mark.parametrize(("asked", "used"), [("gpt-5", "gpt-5"), ("gpt-9", "gpt-5-mini")])
def test_a_request_gets_the_model_it_asks_for_only_from_the_list(
    own: Any, asked: str, used: str
) -> None:
    own(openai_api_key=KEY)

    assert endpoint_for(_profile(allowed_models=["gpt-5"]), asked).model == used


def test_fallbacks_are_followed_without_running_in_circles(own: Any) -> None:
    one = ModelProfile.objects.create(name="one", model="gpt-5", api_key="k1")
    two = ModelProfile.objects.create(name="two", model="anthropic/claude", fallback=one)
    one.fallback = two
    one.save()

    endpoint = endpoint_for(_profile(one))

    assert (endpoint.model, endpoint.api_key) == ("gpt-5", "k1")
    assert endpoint.fallbacks[0].model == "anthropic/claude"
    assert len(endpoint.fallbacks) <= 3


def test_an_unknown_price_stays_unknown(own: Any) -> None:
    row = ModelProfile.objects.create(name="one", model="gpt-5", input_price_usd="0.25")

    endpoint = endpoint_for(_profile(row))

    assert (endpoint.input_price_usd, endpoint.output_price_usd) == (0.25, None)
