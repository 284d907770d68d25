import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.env import Env
from taskmapr.settings.secrets import secrets_of


@pytest.mark.req("VB-85")
def test_production_makes_nothing_up() -> None:
    found = secrets_of(Env({}), kept_in=None)
    assert (found.django, found.masters, found.jwt) == ("", [], "")


@pytest.mark.req("VB-89")
def test_the_environment_wins_and_master_keys_are_a_list(tmp_path: Path) -> None:
    values = {"DJANGO_SECRET_KEY": "d", "TASKMAPR_SECRET_KEY": "new, old,", "JWT_SECRET": "j"}
    found = secrets_of(Env(values), kept_in=tmp_path / "secrets.json")
    assert (found.django, found.masters, found.jwt) == ("d", ["new", "old"], "j")
    assert not (tmp_path / "secrets.json").exists()


def test_a_developers_secrets_are_made_once_and_readable_by_him_alone(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secrets.json"
    first = secrets_of(Env({}), kept_in=file)
    assert len({first.django, first.masters[0], first.jwt}) == 3
    assert min(map(len, (first.django, first.masters[0], first.jwt))) >= 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secrets_of(Env({}), kept_in=file) == first
    assert [entry.name for entry in file.parent.iterdir()] == ["secrets.json"]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: secrets_of(Env({}), kept_in=file), range(16)))
    assert len({secret.jwt for secret in found}) == 1


@pytest.mark.parametrize("content", ["{", json.dumps({"JWT_SECRET": "x"})])
def test_a_damaged_file_is_not_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(content)
    with pytest.raises(ImproperlyConfigured, match=r"secrets\.json"):
        secrets_of(Env({}), kept_in=file)
    assert file.read_text() == content


def test_secrets_do_not_show_in_a_traceback(tmp_path: Path) -> None:
    found = secrets_of(Env({}), kept_in=tmp_path / "secrets.json")
    assert found.jwt not in repr(found)
