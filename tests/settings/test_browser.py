"""Where `esc` is, and who may sign in on the demo site."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskmapr.settings.browser import browser_of, esc_of
from taskmapr.settings.env import Env

HERE = "http://localhost:8000"


def esc(is_prod: bool = False, **values: str) -> tuple[str, str, bool, tuple[str, str]]:
    made = esc_of(Env(values), public_url=HERE, is_prod=is_prod)
    return made.base_url, made.username, made.has_demo, made.demo_credentials


@pytest.mark.req("TQ-33")
def test_the_demo_is_on_for_developers_with_credentials_of_its_own() -> None:
    base_url, username, has_demo, credentials = esc()

    assert (base_url, username, has_demo) == (f"{HERE}/demo/esc/", "demo", True)
    assert credentials[0] == "demo"
    assert credentials[1]


@pytest.mark.req("TQ-33")
def test_default_credentials_hold_nowhere_else() -> None:
    assert esc(is_prod=True) == ("", "", False, ("", ""))
    assert esc(is_prod=True, TASKMAPR_DEMO_ESC="1") == (f"{HERE}/demo/esc/", "", True, ("", ""))


@pytest.mark.req("TQ-31")
def test_credentials_of_a_real_site_open_no_demo() -> None:
    given = {"ESC_BASE_URL": "https://esc.example.org", "ESC_USERNAME": "a", "ESC_PASSWORD": "b"}

    assert esc(is_prod=True, TASKMAPR_DEMO_ESC="1", **given)[3] == ("", "")
    assert esc(**given)[3][0] == "demo"


@pytest.mark.req("TQ-32")
def test_browsers_have_no_window_and_download_into_the_data_directory() -> None:
    made = browser_of(Env({}), Path("/data"))

    assert (made.headless, made.download_path) == (True, Path("/data/downloads"))
    assert (made.name, made.remote_url) == ("chrome", "")
