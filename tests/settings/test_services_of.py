from pathlib import Path
from typing import Any

import certifi
import pytest
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.env import Env
from taskmapr.settings.services import (
    Services,
    celery_broker_url,
    databases_of,
    hosted_tls,
    services_of,
)

PLACE = Path("/data")
EMBEDDED = "postgresql://postgres@/taskmapr?host=%2Fdata%2Frun"
MINE, HOSTED = "postgresql://u@mine/d", "postgresql://u@db.supabase.co/d"


@pytest.mark.req("OV-60")
@pytest.mark.parametrize(
    ("values", "url", "embedded"),
    [
        ({}, EMBEDDED, True),
        ({"DATABASE_URL": MINE}, MINE, False),
        ({"SUPABASE_DB_URL": HOSTED}, HOSTED, False),
        ({"DATABASE_URL": MINE, "SUPABASE_DB_URL": HOSTED}, MINE, False),
        ({"SUPABASE_DB_URL": HOSTED, "SUPABASE_DB_DISABLED": "yes"}, EMBEDDED, True),
        ({"SUPABASE_DB_URL": HOSTED, "DISABLE_SUPABASE_DB": "1"}, EMBEDDED, True),
        ({"SUPABASE_DB_URL": HOSTED, "DISABLE_SUPABASE_DB": "no"}, HOSTED, False),
        ({"DATABASE_URL": MINE, "DISABLE_SUPABASE_DB": "true"}, MINE, False),
        ({"DATABASE_URL": "  "}, EMBEDDED, True),
    ],
)
def test_which_database(values: dict[str, str], url: str, embedded: bool) -> None:
    found = services_of(Env(values), PLACE)
    assert (found.database_url, found.embedded_postgres) == (url, embedded)


@pytest.mark.req("OV-60")
@pytest.mark.parametrize(
    ("values", "url", "embedded"),
    [
        ({}, "unix:///data/run/redis.sock?db=0", True),
        ({"REDIS_URL": "redis://r:6379/2"}, "redis://r:6379/2", False),
        ({"REDIS_URL": "rediss://r/0"}, "rediss://r/0", False),
    ],
)
def test_which_redis(values: dict[str, str], url: str, embedded: bool) -> None:
    found = services_of(Env(values), PLACE)
    assert (found.redis_url, found.embedded_redis) == (url, embedded)


def test_another_broker_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL"):
        services_of(Env({"REDIS_URL": "memory://"}), PLACE)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://r:6379/2", "redis://r:6379/2"),
        ("unix:///d/redis.sock?db=3", "redis+socket:///d/redis.sock?virtual_host=3"),
        ("unix:///d/redis.sock", "redis+socket:///d/redis.sock?virtual_host=0"),
    ],
)
def test_celery_spells_sockets_differently(url: str, broker: str) -> None:
    assert celery_broker_url(url) == broker


@pytest.mark.req("OV-61")
def test_the_public_roots_are_the_default(tmp_path: Path) -> None:
    tls, warnings = hosted_tls(Env({}), tmp_path)
    assert (str(tls.roots), tls.allow_invalid, warnings) == (certifi.where(), False, [])


@pytest.mark.req("OV-61")
def test_a_configured_root_stands_beside_the_public_ones(tmp_path: Path) -> None:
    mine = _first_certificate()
    (tmp_path / "mine.pem").write_text(mine)
    by_file, _ = hosted_tls(
        Env({"SUPABASE_DB_SSL_ROOT_CERT": str(tmp_path / "mine.pem")}), tmp_path / "a"
    )
    in_one_line = mine.replace("\n", "\\n")
    by_text, _ = hosted_tls(Env({"SUPABASE_DB_SSL_ROOT_CERT_DATA": in_one_line}), tmp_path / "b")
    for tls in (by_file, by_text):
        bundle = tls.roots.read_text()
        assert bundle.startswith(Path(certifi.where()).read_text())
        assert bundle.rstrip().endswith(mine.rstrip())


@pytest.mark.req("OV-61")
def test_a_missing_certificate_file_warns_and_falls_back(tmp_path: Path) -> None:
    gone = {"SUPABASE_DB_SSL_ROOT_CERT": str(tmp_path / "gone.pem")}
    tls, warnings = hosted_tls(Env(gone), tmp_path)
    assert str(tls.roots) == certifi.where()
    assert len(warnings) == 1
    assert "gone.pem" in warnings[0]


@pytest.mark.req("OV-61")
def test_giving_up_verification_warns(tmp_path: Path) -> None:
    tls, warnings = hosted_tls(Env({"SUPABASE_DB_ALLOW_INVALID_SSL": "true"}), tmp_path)
    assert tls.allow_invalid
    assert len(warnings) == 1


def test_text_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="PEM"):
        hosted_tls(Env({"SUPABASE_DB_SSL_ROOT_CERT_DATA": "nonsense"}), tmp_path)


@pytest.mark.req("OV-61")
def test_a_plain_database_ignores_the_hosted_settings(tmp_path: Path) -> None:
    env = Env({"SUPABASE_DB_ALLOW_INVALID_SSL": "true"})
    databases, warnings = databases_of(env, _plain(), tmp_path, pool=None)
    assert warnings == []
    assert "sslmode" not in databases["default"]["OPTIONS"]


def _plain() -> Any:
    return Services(
        database_url=MINE, redis_url="redis://r", embedded_postgres=False, embedded_redis=False
    )


def _first_certificate() -> str:
    text = Path(certifi.where()).read_text()
    start, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return text[text.index(start) : text.index(end) + len(end)] + "\n"
