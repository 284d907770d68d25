from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from taskmapr.foundation.paths import is_api_path


def _routes(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path
        else:
            yield from _routes(entry, path)


@pytest.mark.req("OV-09")
def test_api_routes_are_declared_without_a_trailing_slash():
    api = [route for route in _routes(get_resolver("taskmapr.urls")) if is_api_path(route)]
    assert "/api/v1/auth/me" in api
    assert [route for route in api if route.endswith("/")] == []
