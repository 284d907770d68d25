"""The URL map, as the API document writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from taskmapr.foundation.paths import is_api_path


@dataclass(frozen=True)
class Route:
    """A path such as `/api/history/{session_key}` with the methods that it answers."""

    path: str
    methods: frozenset[str]

    @property
    def ids(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def api_routes() -> list[Route]:
    """Everything that answers programs."""
    found = [Route(path, _methods(view)) for path, view in _walked(get_resolver("taskmapr.urls"))]
    return [route for route in found if is_api_path(route.path) or route.path == "/"]


def _walked(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), entry.callback
        else:
            yield from _walked(entry, path)


def _methods(view: Any) -> frozenset[str]:
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if cls is None:
        return frozenset({"get"})
    return frozenset(name for name in cls.http_method_names if hasattr(cls, name)) - {"options"}
