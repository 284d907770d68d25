"""Saving model profiles."""

from __future__ import annotations

import logging

from django.db import transaction

from agents_cfg.models import ModelProfile
from agents_cfg.selectors.profiles import profiles_forget
from taskmapr.core.errors import InvalidInput

logger = logging.getLogger(__name__)


@transaction.atomic
def model_profile_save(*, profile: ModelProfile, by: str) -> ModelProfile:
    """Store a model profile. `by`: who did it, for the log; keys and prices are not logged.

    Raises InvalidInput when its fallbacks lead back to it.
    """
    model_profile_check(profile)
    is_new = profile._state.adding
    profile.save()
    logger.info("model profile %s %s by %s", profile.name, "added" if is_new else "changed", by)
    transaction.on_commit(profiles_forget)
    return profile


def model_profile_check(profile: ModelProfile) -> None:
    """Raises InvalidInput when the fallbacks of this profile form a circle."""
    seen, following = {profile.pk}, profile.fallback
    while following is not None:
        if following.pk in seen:
            raise InvalidInput.of(("fallback", "leads back to this profile"))
        seen.add(following.pk)
        following = following.fallback
