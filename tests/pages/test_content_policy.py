"""Which pages say what the browser may run."""

from __future__ import annotations

import re

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

OUR_PAGES = [
    "/console/",
    "/console/parts/",
    "/demo/overlay/",
    "/demo/tasks/",
    "/problems",
    "/problems/not_found",
    "/nowhere",
]


def directives(header: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


@pytest.mark.parametrize("address", OUR_PAGES)
def test_our_pages_run_only_files_of_this_server(admin_client: Client, address: str) -> None:
    policy = directives(admin_client.get(address)["Content-Security-Policy"])

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"


@pytest.mark.parametrize("address", OUR_PAGES)
def test_our_pages_hold_nothing_that_the_policy_would_stop(
    admin_client: Client, address: str
) -> None:
    body = admin_client.get(address).content.decode()

    assert not re.search(r"<script(?![^>]*\bsrc=)", body)
    assert not re.search(r"\s(on\w+|style)=\"", body)
    assert not re.search(r"(src|href)=\"(https?:)?//", body)


def test_the_admin_may_do_what_its_theme_needs(admin_client: Client) -> None:
    policy = directives(admin_client.get("/admin/")["Content-Security-Policy"])

    assert "'unsafe-eval'" in policy["script-src"]
    assert "'unsafe-inline'" not in policy["script-src"]
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"


def test_json_carries_no_policy(admin_client: Client) -> None:
    assert "Content-Security-Policy" not in admin_client.get("/api/nowhere")
