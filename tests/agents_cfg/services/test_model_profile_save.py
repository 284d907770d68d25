"""model_profile_save: no circles of fallbacks, keys sealed and never logged."""

from __future__ import annotations

import logging

import pytest
from django.db import connection

from agents_cfg.models import ModelProfile
from agents_cfg.services.model_profiles import model_profile_save
from taskmapr.core.errors import InvalidInput

pytestmark = pytest.mark.django_db


def saved(name: str, **changes: object) -> ModelProfile:
    profile = ModelProfile(name=name, model="openai/own", **changes)
    return model_profile_save(profile=profile, by="root")


def test_the_key_rests_sealed_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        profile = saved("own", api_key="sk-very-secret")

    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM agents_cfg_modelprofile")
        (stored,) = cursor.fetchone()
    assert "sk-very-secret" not in stored + caplog.text
    assert ModelProfile.objects.get(pk=profile.pk).api_key == "sk-very-secret"


def test_fallbacks_may_form_a_chain_but_no_circle() -> None:
    last = saved("last")
    middle = saved("middle", fallback=last)
    first = saved("first", fallback=middle)

    last.fallback = first
    with pytest.raises(InvalidInput, match="leads back"):
        model_profile_save(profile=last, by="root")

    assert ModelProfile.objects.get(name="last").fallback is None
