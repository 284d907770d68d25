from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.database import HostedTls, database_settings

TLS = HostedTls(roots=Path("/roots.pem"))
#: What ends the waiting for a server that does not answer any more.
VANISHED = {"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
PREPARED = {"server_side_binding", "prepare_threshold"}
HOSTED = "postgresql://u:p@db.abc.supabase.co:5432/postgres"


def settings_of(url: str, tls: HostedTls = TLS, pool: dict[str, Any] | None = None) -> Any:
    return database_settings(url, tls=tls, pool=pool)


@pytest.mark.req("OV-61")
@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "postgresql+asyncpg",
        "postgresql+psycopg",
        "postgresql+psycopg2",
    ],
)
def test_every_spelling_of_the_scheme_gives_the_same_database(scheme: str) -> None:
    found = settings_of(f"{scheme}://ada:s%40lt@db.example:5433/tasks")
    named = {key: found[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
    assert named == {
        "ENGINE": "taskmapr.foundation.postgres",
        "NAME": "tasks",
        "USER": "ada",
        "PASSWORD": "s@lt",
        "HOST": "db.example",
        "PORT": "5433",
    }


@pytest.mark.req("OV-61")
@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {"connect_timeout": 10}),
        ("?connect_timeout=3", {"connect_timeout": 3}),
        ("?sslmode=require", {"connect_timeout": 10, "sslmode": "require"}),
        (
            "?sslmode=verify-ca&sslrootcert=/mine.pem&connect_timeout=7",
            {"connect_timeout": 7, "sslmode": "verify-ca", "sslrootcert": "/mine.pem"},
        ),
    ],
)
def test_the_query_reaches_libpq(query: str, options: dict[str, Any]) -> None:
    found = settings_of(f"postgresql://u@h/d{query}")["OPTIONS"]
    named = {name: value for name, value in found.items() if name not in VANISHED | PREPARED}
    assert named == options


@pytest.mark.req("OV-63")
@pytest.mark.parametrize("url", ["postgresql://u@h/d", HOSTED, "postgresql://u@h:6543/d"])
def test_a_server_that_vanishes_is_given_up(url: str) -> None:
    options = settings_of(url)["OPTIONS"]
    probes_s = options["keepalives_idle"] + (
        options["keepalives_interval"] * options["keepalives_count"]
    )
    assert 0 < probes_s <= 15
    assert 0 < options["tcp_user_timeout"] <= 15_000


@pytest.mark.req("OV-61")
@pytest.mark.parametrize("query", ["", "?sslmode=disable", "?sslmode=require"])
def test_a_hosted_database_is_always_verified(query: str) -> None:
    options = settings_of(HOSTED + query)["OPTIONS"]
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/roots.pem")


@pytest.mark.req("OV-61")
def test_a_hosted_database_named_in_the_query_is_verified_too() -> None:
    options = settings_of("postgresql:///d?host=db.abc.supabase.co")["OPTIONS"]
    assert options["sslmode"] == "verify-full"


@pytest.mark.req("OV-61")
def test_verification_can_be_given_up_but_not_tls() -> None:
    lax = HostedTls(roots=Path("/roots.pem"), allow_invalid=True)
    options = settings_of(HOSTED + "?sslmode=disable", tls=lax)["OPTIONS"]
    assert options["sslmode"] == "require"
    assert "sslrootcert" not in options


@pytest.mark.req("OV-61")
def test_a_transaction_pooler_gets_no_cursors_and_no_prepared_statements() -> None:
    pooled = settings_of("postgresql://u@h:6543/d")
    assert pooled["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert pooled["OPTIONS"]["prepare_threshold"] is None


@pytest.mark.req("OV-61")
def test_a_pooler_on_another_port_is_named_by_a_setting() -> None:
    url = "postgresql://u@h:6432/d"
    pooled = database_settings(url, tls=TLS, pool=None, prepares=False)
    assert pooled["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert pooled["OPTIONS"]["prepare_threshold"] is None
    assert "server_side_binding" not in pooled["OPTIONS"]


@pytest.mark.req("OV-61")
def test_a_direct_connection_keeps_both() -> None:
    direct = settings_of("postgresql://u@h:5432/d")
    assert "DISABLE_SERVER_SIDE_CURSORS" not in direct
    assert direct["OPTIONS"]["prepare_threshold"] == 5
    assert direct["OPTIONS"]["server_side_binding"] is True


@pytest.mark.req("OV-75")
def test_a_pool_is_bounded_and_its_connections_checked() -> None:
    found = settings_of("postgresql://u@h/d", pool={"min_size": 0, "max_size": 4})
    assert found["OPTIONS"]["pool"] == {"min_size": 0, "max_size": 4}
    assert found["CONN_HEALTH_CHECKS"] is True
    assert found["CONN_MAX_AGE"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u@h/d",
        "sqlite:///x",
        "h/d",
        "postgresql://u@h:port/d",
        "postgresql://u@h/d?sslmode=maybe",
        "postgresql://u@h/d?connect_timeout=soon",
        "postgresql://u@h/d?connect_timeout=0",
        "postgresql://u@h/d?connect_timeout=\N{SUPERSCRIPT TWO}",
        "postgresql://u@h/d?connect_timeout=\N{ARABIC-INDIC DIGIT THREE}",
        f"postgresql://u@h/d?connect_timeout={'9' * 5_000}",
    ],
)
@pytest.mark.req("OV-61")
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        settings_of(url)
