"""What production refuses to start with: each case in a process of its own, as a server starts."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.sign_in import ExternalSignIn
from taskmapr.stack import checks

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "ENV": "prod",
    "DJANGO_SECRET_KEY": "a" * 20 + "b" * 20,
    "TASKMAPR_SECRET_KEY": "c" * 20 + "d" * 20,
    "JWT_SECRET": "e" * 20 + "f" * 20,
    "DATABASE_URL": "postgresql://u@h/d",
    "REDIS_URL": "redis://h",
}


@pytest.fixture
def good(settings: Any) -> Any:
    """The settings of a production server that is in order."""
    settings.ENV = "prod"
    settings.DEBUG = False
    settings.EMBEDDED_POSTGRES = settings.EMBEDDED_REDIS = False
    settings.DISABLE_AUTH = settings.ALLOW_INSECURE = False
    settings.DATABASE_WARNINGS = []
    settings.SECRET_KEY = GOOD["DJANGO_SECRET_KEY"]
    settings.TASKMAPR_SECRET_KEYS = [GOOD["TASKMAPR_SECRET_KEY"]]
    settings.JWT_SECRET = GOOD["JWT_SECRET"]
    settings.EXTERNAL_SIGN_IN = ExternalSignIn()
    return settings


def ids() -> list[str]:
    asked = (
        checks.check_secrets,
        checks.check_exposure,
        checks.check_sign_in,
        checks.check_database,
    )
    found = [message for check in asked for message in check()]
    return [str(message.id) for message in found]


@pytest.mark.req("VB-85")
def test_a_server_in_order_starts(good: Any) -> None:
    assert ids() == []
    checks.refuse_unsafe_start()


@pytest.mark.req("VB-85")
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "", "taskmapr.E001"),
        ("SECRET_KEY", "short", "taskmapr.E001"),
        ("SECRET_KEY", "django-insecure-" + "x" * 40, "taskmapr.E001"),
        ("TASKMAPR_SECRET_KEYS", [], "taskmapr.E002"),
        ("TASKMAPR_SECRET_KEYS", ["c" * 40, "old"], "taskmapr.E002"),
        ("JWT_SECRET", "change-me-" * 5, "taskmapr.E003"),
        ("DEBUG", True, "taskmapr.E004"),
        ("EMBEDDED_POSTGRES", True, "taskmapr.E005"),
        ("EMBEDDED_REDIS", True, "taskmapr.E005"),
        ("DISABLE_AUTH", True, "taskmapr.E006"),
    ],
)
def test_each_fault_is_refused(good: Any, name: str, value: Any, expected: str) -> None:
    setattr(good, name, value)
    assert ids() == [expected]
    with pytest.raises(ImproperlyConfigured, match=expected):
        checks.refuse_unsafe_start()


@pytest.mark.req("OV-55")
@pytest.mark.parametrize(
    ("env", "debug", "allow", "expected"),
    [
        ("dev", True, False, "taskmapr.W001"),
        ("dev", False, False, "taskmapr.E006"),
        ("dev", False, True, "taskmapr.W001"),
        ("prod", False, True, "taskmapr.W001"),
    ],
)
def test_disabled_sign_in(good: Any, env: str, debug: bool, allow: bool, expected: str) -> None:
    good.ENV, good.DEBUG, good.ALLOW_INSECURE, good.DISABLE_AUTH = env, debug, allow, True
    assert ids() == [expected]


@pytest.mark.req("OV-55")
def test_disabled_sign_in_is_said_loudly_at_the_start(good: Any, caplog: Any) -> None:
    good.ENV, good.DEBUG, good.DISABLE_AUTH = "dev", True, True
    checks.refuse_unsafe_start()
    assert ["DISABLE_AUTH IS ON" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.req("OV-54")
def test_a_server_on_which_nobody_can_sign_in_does_not_start(good: Any) -> None:
    good.JWT_SECRET = ""
    assert ids() == ["taskmapr.E003", "taskmapr.E007"]
    with pytest.raises(ImproperlyConfigured, match=r"taskmapr\.E007"):
        checks.refuse_unsafe_start()
    good.EXTERNAL_SIGN_IN = SUPABASE
    assert "taskmapr.E007" not in ids()


SUPABASE = ExternalSignIn(
    jwks_urls=("https://p.supabase.co/auth/v1/jwks",), issuer="https://p.supabase.co/auth/v1"
)


@pytest.mark.req("OV-53", "OV-54")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"jwt_secret": "s" * 20 + "t" * 20}, []),
        ({"jwt_secret": "short"}, ["taskmapr.E008"]),
        ({"jwt_secret": "super-secret-jwt-token-with-32-characters"}, ["taskmapr.E008"]),
        ({"jwt_secret": GOOD["JWT_SECRET"]}, ["taskmapr.E008"]),
        ({"algorithms": ("RS256", "NONE")}, ["taskmapr.E009"]),
        ({"jwks_urls": ("http://keys.example/jwks",)}, ["taskmapr.E010"]),
        ({"jwks_urls": ("http://localhost:9999/jwks",)}, []),
        ({"issuer": ""}, ["taskmapr.W003"]),
        ({"audiences": None}, ["taskmapr.W004"]),
    ],
)
def test_faults_of_the_external_provider(
    good: Any, changes: dict[str, Any], expected: list[str]
) -> None:
    good.EXTERNAL_SIGN_IN = dataclasses.replace(SUPABASE, **changes)
    assert ids() == expected


@pytest.mark.req("OV-61")
def test_doubts_about_the_databases_tls_are_warnings(good: Any) -> None:
    good.DATABASE_WARNINGS = ["not verified"]
    assert ids() == ["taskmapr.W002"]


def test_a_developers_machine_needs_no_secrets(good: Any) -> None:
    good.ENV, good.JWT_SECRET, good.EMBEDDED_POSTGRES, good.DEBUG = "dev", "", True, True
    assert ids() == []


def server(values: dict[str, str], code: str) -> "subprocess.CompletedProcess[str]":
    kept = {"PATH": os.environ["PATH"], "TASKMAPR_DATA_DIR": "/nonexistent"}
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        env=kept | values,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.req("VB-85")
@pytest.mark.parametrize(
    "code",
    [
        "import taskmapr.asgi",
        "from taskmapr.celery import app; app.Worker(pool='solo').start()",
    ],
    ids=["web", "worker"],
)
def test_no_process_starts_without_secrets(code: str) -> None:
    without = {name: value for name, value in GOOD.items() if "SECRET" not in name}
    result = server(without, code)
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert all(number in last for number in ("E001", "E002", "E003"))


@pytest.mark.req("VB-85")
def test_production_demands_https_and_secure_cookies() -> None:
    code = (
        "import taskmapr.asgi; from django.conf import settings as s; "
        "print(s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS, s.SESSION_COOKIE_SECURE, "
        "s.CSRF_COOKIE_SECURE, s.DEBUG)"
    )
    result = server(GOOD, code)
    assert result.stdout.split() == ["True", "31536000", "True", "True", "False"], result.stderr
