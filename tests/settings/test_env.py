from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.env import Env


@pytest.mark.req("OV-60")
@pytest.mark.parametrize("word", ["1", "true", "yes", "TRUE", " Yes "])
def test_words_that_are_true(word: str) -> None:
    assert Env({"F": word}).flag("F") is True


@pytest.mark.parametrize("word", ["0", "false", "no"])
def test_words_that_are_false(word: str) -> None:
    assert Env({"F": word}).flag("F", default=True) is False


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("values", [{}, {"F": ""}])
def test_an_empty_flag_is_an_absent_one(values: dict[str, str], default: bool) -> None:
    assert Env(values).flag("F", default=default) is default


def test_an_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="F must be a flag"):
        Env({"F": "perhaps"}).flag("F")


@pytest.mark.req("OV-60")
def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("FROM_BOTH=file\nFROM_FILE=file\n")
    monkeypatch.setenv("FROM_BOTH", "environment")
    env = Env.load(tmp_path / ".env")
    assert (env.text("FROM_BOTH"), env.text("FROM_FILE")) == ("environment", "file")


def test_a_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("value\n")
    assert Env({"KEY_FILE": str(tmp_path / "key")}).text("KEY") == "value"


def test_a_secret_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(ImproperlyConfigured, match="KEY_FILE"):
        Env({"KEY_FILE": "/nowhere"}).text("KEY")


@pytest.mark.parametrize(("value", "minimum"), [("x", 0), ("1.5", 0), ("3", 4)])
def test_numbers_are_checked(value: str, minimum: int) -> None:
    with pytest.raises(ImproperlyConfigured, match="N must be"):
        Env({"N": value}).integer("N", 9, minimum=minimum)
