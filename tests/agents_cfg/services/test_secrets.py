"""The secret store: sealed at rest, read by name, never logged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_names, secret_read, secret_save
from taskmapr.core.errors import InvalidInput, NotConfigured
from taskmapr.foundation.resealing import columns_reseal

pytestmark = pytest.mark.django_db


def stored(name: str = "esc.password", value: str = "correct horse") -> Secret:
    return secret_save(secret=Secret(name=name, value=value), by="root")


def at_rest(secret: Secret) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM agents_cfg_secret WHERE id = %s", [secret.pk])
        return str(cursor.fetchone()[0])


@pytest.mark.req("TQ-31")
def test_rests_sealed_is_read_by_name_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        secret = stored()
        assert secret_read("esc.password") == "correct horse"

    assert "esc.password added by root" in caplog.text
    assert "correct horse" not in caplog.text + at_rest(secret)


def test_notes_its_use_once_a_minute() -> None:
    secret = stored()
    secret_read(secret.name)
    secret.refresh_from_db()
    first = secret.last_used_at
    assert first is not None
    secret_read(secret.name)
    secret.refresh_from_db()
    assert secret.last_used_at == first

    long_ago = datetime.now(UTC) - timedelta(hours=1)
    Secret.objects.update(last_used_at=long_ago)
    secret_read(secret.name)
    secret.refresh_from_db()
    assert secret.last_used_at is not None
    assert secret.last_used_at > long_ago


def test_says_which_secret_is_missing() -> None:
    with pytest.raises(NotConfigured, match=r"esc\.nothing"):
        secret_read("esc.nothing")


def test_says_that_a_secret_cannot_be_opened(settings: Any) -> None:
    stored()
    settings.TASKMAPR_SECRET_KEYS = ["another-master-only-for-tests-only-for-tests"]

    with pytest.raises(NotConfigured, match="cannot be opened"):
        secret_read("esc.password")


@pytest.mark.req("OV-06")
def test_is_sealed_anew_when_the_master_key_changes(settings: Any) -> None:
    secret = stored()
    before = at_rest(secret)
    old, new = settings.TASKMAPR_SECRET_KEYS[0], "another-master-only-for-tests-only-for-tests"

    settings.TASKMAPR_SECRET_KEYS = [new, old]
    columns_reseal()
    settings.TASKMAPR_SECRET_KEYS = [new]

    assert at_rest(secret) != before
    assert secret_read("esc.password") == "correct horse"


@pytest.mark.parametrize(
    ("name", "value", "path"), [("1st", "x", "name"), ("a b", "x", "name"), ("ok", "", "value")]
)
def test_refuses_what_cannot_be(name: str, value: str, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        stored(name, value)

    assert refused.value.details["fields"][0]["path"] == path
    assert not Secret.objects.exists()


def test_lists_names_in_order() -> None:
    stored("b.token")
    stored("a.token")

    assert secret_names() == ["a.token", "b.token"]
