"""Saving overlay profiles: one default, and a version that grows with every change."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import connection, transaction

from agents_cfg.models import OverlayProfile, OverlayProfileVersion
from agents_cfg.selectors.profiles import profiles_forget
from taskmapr.core.errors import InvalidInput

logger = logging.getLogger(__name__)

MAX_ROUTES: Final = 200
#: Copies of one profile, and characters of its name that theirs begin with.
MAX_COPIES: Final = 100
MAX_STEM: Final = 60
#: Columns that say nothing about how a run behaves.
_NOT_BEHAVIOUR: Final = frozenset({"id", "version", "created_at", "updated_at", "is_default"})

#: Whoever makes a profile the default holds this advisory lock until commit. Locks on rows are not
#: enough: a default that is new and not committed is a row that nobody else can see.
_DEFAULT_LOCK: Final = 0x6465_6661

Problem = tuple[str, str]


@transaction.atomic
def overlay_profile_save(*, profile: OverlayProfile, by: str) -> OverlayProfile:
    """Store a profile. `by`: who did it, for the log.

    The version counts changes of behaviour: runs remember the one they used. Making a profile the
    default takes that from the one before; of several at once the last one keeps it. Locks the
    stored row and the default's until commit. Raises InvalidInput when origins or routes are
    malformed.
    """
    overlay_profile_check(profile)
    if profile.is_default:
        _default_take(profile)
    stored = OverlayProfile.objects.select_for_update().filter(pk=profile.pk).first()
    changed = _changed(stored, profile) if stored else []
    if stored is not None:
        profile.version = stored.version + bool(changed)
    if stored is not None and changed:
        _version_recall(stored)
    profile.save()
    if stored is None or changed:
        _version_keep(profile, by)
    what = ", ".join(changed) if stored else "new"
    logger.info("overlay profile %s v%d by %s: %s", profile.name, profile.version, by, what)
    transaction.on_commit(profiles_forget)
    return profile


@transaction.atomic
def overlay_profile_copy(*, profile: OverlayProfile, by: str) -> OverlayProfile:
    """A new profile that behaves like this one, under a free name, for no origin.

    Origins stay with the first: a page must find one profile. Raises InvalidInput when a hundred
    copies have taken the names.
    """
    taken = set(OverlayProfile.objects.values_list("name", flat=True))
    stem = profile.name[:MAX_STEM]
    names = [f"{stem}-copy", *(f"{stem}-copy-{number}" for number in range(2, MAX_COPIES + 1))]
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise InvalidInput.of(("name", f"has {MAX_COPIES} copies already"))
    own = {field.attname: getattr(profile, field.attname) for field in _behaviour()}
    copy = OverlayProfile(**{**own, "name": free, "allowed_origins": []})
    return overlay_profile_save(profile=copy, by=by)


def overlay_profile_check(profile: OverlayProfile) -> None:
    """Raises InvalidInput with every malformed member.

    An origin is a scheme and a host, such as https://app.example.com; a route is
    {path, title}, its path begins with one slash.
    """
    problems = [
        *_origin_problems("allowed_origins", profile.allowed_origins),
        *_origin_problems("navigate_origins", profile.navigate_origins),
        *_route_problems(profile.routes),
    ]
    if problems:
        raise InvalidInput.of(*problems)


def _origin_problems(field: str, origins: Iterable[str]) -> list[Problem]:
    return [
        (field, f"{origin} is not an origin such as https://app.example.com")
        for origin in origins
        if not _is_origin(origin)
    ]


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        wanted = f"{parts.scheme}://{parts.netloc}"
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and text == wanted
    except ValueError:
        return False


def _route_problems(routes: Any) -> list[Problem]:
    if not isinstance(routes, list) or len(routes) > MAX_ROUTES:
        return [("routes", f"must be a list of at most {MAX_ROUTES} routes")]
    return [
        ("routes", f'route {number}: must look like {{"path": "/tags", "title": "Tags"}}')
        for number, route in enumerate(routes, 1)
        if not _is_route(route)
    ]


def _is_route(route: Any) -> bool:
    if not isinstance(route, dict) or not isinstance(route.get("title", ""), str):
        return False
    path = route.get("path")
    return isinstance(path, str) and path.startswith("/") and not path.startswith("//")


def _default_take(profile: OverlayProfile) -> None:
    """No other profile is the default. Waits for whoever else is taking it.

    Two statements: the second one sees what was committed while the first one waited.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_DEFAULT_LOCK])
    was = OverlayProfile.objects.exclude(pk=profile.pk).filter(is_default=True)
    was.update(is_default=False)


def _changed(before: OverlayProfile, after: OverlayProfile) -> list[str]:
    names = [field.attname for field in _behaviour()]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _behaviour() -> list[Any]:
    return [f for f in OverlayProfile._meta.concrete_fields if f.attname not in _NOT_BEHAVIOUR]


def _version_keep(profile: OverlayProfile, by: str) -> None:
    OverlayProfileVersion.objects.update_or_create(
        profile=profile, version=profile.version, defaults={"by": by[:200], "data": _said(profile)}
    )


def _version_recall(stored: OverlayProfile) -> None:
    """Profiles that nobody saved through here (the seed's, older ones) are kept before their first
    change: without it nobody could say what that changed."""
    OverlayProfileVersion.objects.get_or_create(
        profile=stored,
        version=stored.version,
        defaults={"by": "", "data": _said(stored), "created_at": stored.updated_at},
    )


def _said(profile: OverlayProfile) -> dict[str, Any]:
    return {field.attname: getattr(profile, field.attname) for field in _behaviour()}
