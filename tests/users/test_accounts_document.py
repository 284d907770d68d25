"""The examples of docs/protocols/accounts.md, run from top to bottom."""

import json
import re
from pathlib import Path

import pytest
from django.test import Client

from taskmapr.users.models import User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import api_key_issue
from tests.docs.likeness import assert_like

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocols" / "accounts.md"
BLOCK = re.compile(r"```http\n(.*?)\n```", re.S)


def _parts(block):
    """(first line, headers, body as JSON or None)"""
    head, _, body = block.partition("\n\n")
    first, *lines = head.split("\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return first, headers, json.loads(body) if body else None


def _filled(text, known):
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _key_of(user):
    """What an operator makes in the admin."""
    return api_key_issue(user_id=user.pk, name="example", scopes=[Scope.OVERLAY]).text


@pytest.mark.req("OV-52", "VB-02", "VB-03", "VB-05", "VB-06", "VB-07", "VB-08", "VB-10", "OV-07")
@pytest.mark.django_db
def test_every_example_is_true():
    blocks = BLOCK.findall(DOCUMENT.read_text())
    client, known = Client(), {}
    assert len(blocks) == 24
    for asked, answered in zip(blocks[::2], blocks[1::2], strict=True):
        if "{api_key}" in asked and "api_key" not in known:
            known["api_key"] = _key_of(User.objects.get(email="ada@example.org"))
        line, headers, body = _parts(_filled(asked, known))
        method, path = line.split()
        kind = headers.pop("Content-Type", "")
        data = b"" if body is None else json.dumps(body)
        response = client.generic(method, path, data, content_type=kind, headers=headers)
        status, expected, shown = _parts(answered)
        assert response.status_code == int(status), line
        assert {name: response.headers[name] for name in expected} == expected
        assert_like(shown, response.json(), "body")
        known |= {k: v for k, v in response.json().items() if k.endswith("_token")}


def test_the_table_of_codes_is_true():
    from taskmapr.core.errors import error_class

    codes = re.findall(r"^\| `([a-z]+_[a-z]+)` \|", DOCUMENT.read_text(), re.M)
    assert codes == [
        "missing_token",
        "invalid_scheme",
        "token_expired",
        "invalid_token",
        "invalid_audience",
        "invalid_issuer",
        "missing_subject",
    ]
    assert all(error_class(code).status == 401 for code in codes)


@pytest.mark.req("OV-52")
def test_the_table_of_scopes_is_whole():
    rows = re.search(r"\| Scope \| Opens \|\n\|---\|---\|\n((?:\|.*\n)+)", DOCUMENT.read_text())
    named = [
        name
        for row in rows[1].splitlines()
        for name in re.findall(r"`([\w:]+)`", row.split("|")[1])
    ]
    assert named == list(Scope.values)
