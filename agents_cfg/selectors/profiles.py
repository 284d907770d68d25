"""Which profile and which model a run uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError

from agents_cfg.models import ModelProfile, OverlayProfile
from agents_cfg.selectors.fresh import fresh
from taskmapr.core.errors import DatabaseUnavailable, ModelNotConfigured, NotFound
from taskmapr.core.ports import ModelEndpoint
from taskmapr.foundation.database_state import loss_noted

#: Fallbacks of fallbacks are followed this far; also ends circles.
MAX_FALLBACKS: Final = 3

_NAME: Final = re.compile(r"[\w-]{1,80}")

T = TypeVar("T")


def profiles_forget() -> None:
    """Let the next question go to the database: after a change in this process."""
    fresh.forget()


def profile_choose(*, name: str | None, origin: str | None) -> OverlayProfile:
    """The profile named by the request, else the one of its origin, else the default.

    Raises NotFound for an unknown name. Without any stored profile the built-in defaults hold.
    """
    chosen = _unless_away(
        lambda: fresh.get(("choose", name, origin), lambda: _choose(name, origin))
    )
    if chosen is not None:
        return chosen
    if name is not None:
        raise DatabaseUnavailable(f"The profile {name!r} cannot be looked up.")
    default = fresh.known(("choose", None, None))
    return default if isinstance(default, OverlayProfile) else OverlayProfile(name="default")


def _unless_away(ask: Callable[[], T]) -> T | None:
    """None when Postgres would have to be asked and is away."""
    try:
        return ask()
    except (OperationalError, InterfaceError) as error:
        if not loss_noted(error):
            raise
        return None


def _choose(name: str | None, origin: str | None) -> OverlayProfile:
    profiles = OverlayProfile.objects.select_related("model__fallback")
    if name:
        profile = profiles.filter(name=name).first()
        if profile is None:
            raise NotFound(f"There is no profile {name!r}.")
        return profile
    by_origin = profiles.filter(allowed_origins__contains=[origin]).first() if origin else None
    return by_origin or profiles.filter(is_default=True).first() or OverlayProfile(name="default")


def profile_allowance(*, name: object, origin: str | None) -> tuple[str, int] | None:
    """(whose, requests per minute) where the profile of such a request has a limit of its own.

    `name` is what the request says, whatever that is; an unknown one is not refused here.
    """
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        return None
    try:
        profile = profile_choose(name=name, origin=origin)
    except NotFound:
        return None
    limit = profile.rate_limit_per_minute
    return None if limit is None else (f"profile:{profile.pk}", limit)


def profile_origins() -> set[str]:
    """Every origin that some profile allows."""
    lists = OverlayProfile.objects.values_list("allowed_origins", flat=True)
    return {origin for origins in lists for origin in origins}


def profile_get(profile_id: int | None) -> OverlayProfile:
    """A stored profile by id; the built-in defaults if it is gone."""
    return fresh.get(("get", profile_id), lambda: _get(profile_id))


def _get(profile_id: int | None) -> OverlayProfile:
    if profile_id is None:
        return OverlayProfile(name="default")
    found = OverlayProfile.objects.select_related("model__fallback").filter(pk=profile_id).first()
    return found or OverlayProfile(name="default")


def endpoint_for(profile: OverlayProfile, asked: str | None = None) -> ModelEndpoint:
    """Where the model of this profile is; `asked` is honoured if the profile's list has it.

    Raises ModelNotConfigured outside dev mode when there is nothing but the built-in stand-in.
    """
    wanted = asked if asked and asked in profile.allowed_models else None
    found = _unless_away(
        lambda: fresh.get(
            ("endpoint", profile.model_id, wanted), lambda: _endpoint(profile, wanted)
        )
    )
    # The profile came with its model; only a wish has to be looked up.
    return found or _endpoint(profile, None)


def endpoint_of_model(row: ModelProfile) -> ModelEndpoint:
    """Where this model is, without its fallbacks, whether it is enabled or not."""
    return _plain(row)


def _endpoint(profile: OverlayProfile, wanted: str | None) -> ModelEndpoint:
    if wanted is not None:
        named = ModelProfile.objects.filter(is_enabled=True, name=wanted).first()
        return _of_row(named) if named is not None else _of_environment(wanted)
    if profile.model is not None and profile.model.is_enabled:
        return _of_row(profile.model)
    return _of_environment(settings.TASKMAPR["default_model"])


def _of_row(row: ModelProfile) -> ModelEndpoint:
    fallbacks: list[ModelEndpoint] = []
    following = row.fallback
    while following is not None and following.is_enabled and len(fallbacks) < MAX_FALLBACKS:
        fallbacks.append(_plain(following))
        following = following.fallback
    return _plain(row, fallbacks)


def _plain(row: ModelProfile, fallbacks: list[ModelEndpoint] | None = None) -> ModelEndpoint:
    return ModelEndpoint(
        model=row.model,
        base_url=row.base_url,
        api_key=row.api_key or _shared_key(row.model, row.base_url),
        adapter=row.adapter,
        max_output_tokens=row.max_output_tokens,
        context_tokens=row.context_tokens,
        timeout_s=row.timeout_s,
        input_price_usd=_price(row.input_price_usd),
        output_price_usd=_price(row.output_price_usd),
        supports_tools=row.supports_tools,
        fallbacks=tuple(fallbacks or ()),
    )


def _shared_key(model: str, base_url: str) -> str:
    """The environment's OpenAI key, for OpenAI's own models only: no other provider may see it."""
    is_wanted = not base_url and _is_openai(model)
    return str(settings.TASKMAPR["openai_api_key"]) if is_wanted else ""


def _is_openai(model: str) -> bool:
    return "/" not in model or model.startswith("openai/")


def _price(value: object) -> float | None:
    return None if value is None else float(str(value))


def _of_environment(model: str) -> ModelEndpoint:
    own = settings.TASKMAPR
    # Models of other providers bring their key in the provider's own way, or need none (Ollama).
    if own["openai_api_key"] or own["openai_base_url"] or not _is_openai(model):
        base_url = own["openai_base_url"]
        # The key belongs to the address that the environment names beside it.
        key = own["openai_api_key"] if base_url else _shared_key(model, base_url)
        return ModelEndpoint(model=model, base_url=base_url, api_key=key)
    if not own["offline_model"]:
        raise ModelNotConfigured
    return ModelEndpoint(
        model="mock/echo",
        adapter="offline",
        input_price_usd=0.0,
        output_price_usd=0.0,
        extra={"delay_ms": own["offline_model_delay_ms"]},
    )


def model_is_stand_in() -> bool:
    """True when runs of the default profile are answered by the built-in stand-in."""
    return endpoint_for(profile_choose(name=None, origin=None)).adapter == "offline"
