"""The page that tells what a profile said at which version, and who changed what."""

from __future__ import annotations

from typing import Any, Final

import orjson
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from agents_cfg.models import OverlayProfile, OverlayProfileVersion

#: Versions that the page shows, the newest.
SHOWN: Final = 50


def profile_versions(
    request: HttpRequest, *, model_admin: ModelAdmin, object_id: int
) -> HttpResponse:
    profile = get_object_or_404(OverlayProfile, pk=object_id)
    if not model_admin.has_view_permission(request, profile):
        raise PermissionDenied
    rows = list(OverlayProfileVersion.objects.filter(profile=profile)[: SHOWN + 1])
    before = [*rows[1:], None]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Versions of {profile.name}",
        "opts": model_admin.opts,
        "profile": profile,
        "versions": [
            {"row": row, "changes": changes(older, row)}
            for row, older in zip(rows, before, strict=True)
        ][:SHOWN],
    }
    return TemplateResponse(request, "admin/profile_versions.html", context)


def changes(
    older: OverlayProfileVersion | None, newer: OverlayProfileVersion
) -> list[tuple[str, str, str]]:
    """Name, before and after of each member that differs; nothing for the first version."""
    if older is None:
        return []
    names = sorted(older.data.keys() | newer.data.keys())
    pairs = ((name, older.data.get(name), newer.data.get(name)) for name in names)
    return [(_title(name), _text(old), _text(new)) for name, old, new in pairs if old != new]


def _title(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ")


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return "(empty)"
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()
