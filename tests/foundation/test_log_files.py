"""Log files as processes write them: together, in order, rotated, and never in the way."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from taskmapr.foundation.telemetry.log_files import LogFile
from taskmapr.foundation.telemetry.logs import JsonFormatter, LogFiles, logging_config
from taskmapr.settings.env import Env
from taskmapr.settings.log_files import log_files_of

pytestmark = pytest.mark.req("TQ-36")

LINES = 400


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LogFile]:
    made = log_file(tmp_path / "logs" / "automation.log")
    yield made
    made.close()


def log_file(path: Path, max_bytes: int = 2**20) -> LogFile:
    made = LogFile(str(path), max_bytes=max_bytes, backups=5)
    made.setFormatter(JsonFormatter())
    return made


def say(file: LogFile, text: str) -> None:
    file.handle(logging.makeLogRecord({"msg": text, "levelname": "INFO", "name": "tests"}))


def messages(path: Path) -> list[str]:
    return [orjson.loads(line)["message"] for line in path.read_bytes().splitlines()]


def write_many(path: Path, name: str) -> None:
    file = log_file(path, max_bytes=32 * 1024)
    for number in range(LINES):
        say(file, f"{name} {number}")
        if number % 50 == 0:
            file.flush()
    file.flush()


def test_processes_write_and_rotate_together_and_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "automation.log"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write_many, args=(path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0]
    # The oldest first: what is put aside is numbered from the newest on.
    kept = sorted(tmp_path.glob("automation.log*"), reverse=True)
    told = [message for each in kept for message in messages(each)]
    assert len(kept) > 1
    for name in ("a", "b"):
        own = [message for message in told if message.startswith(name)]
        assert own == [f"{name} {number}" for number in range(LINES)]


def test_no_more_than_five_are_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "automation.log"
    file = log_file(path, max_bytes=1024)
    for number in range(40):
        say(file, f"{number} {'x' * 400}")
        file.flush()

    kept = {each.name for each in tmp_path.glob("automation.log*")}
    assert kept == {"automation.log", *(f"automation.log.{n}" for n in range(1, 6))}
    assert max(each.stat().st_size for each in tmp_path.glob("automation.log*")) < 2048


def test_nothing_is_made_before_the_first_line(file: LogFile, tmp_path: Path) -> None:
    assert list(tmp_path.iterdir()) == []

    say(file, "hello")
    file.flush()
    assert messages(tmp_path / "logs" / "automation.log") == ["hello"]


def test_a_forked_process_writes_its_own_lines_and_no_others(file: LogFile, tmp_path: Path) -> None:
    say(file, "parent")
    child = os.fork()
    if child == 0:
        say(file, "child")
        file.flush()
        os._exit(0)
    os.waitpid(child, 0)
    file.flush()

    assert sorted(messages(tmp_path / "logs" / "automation.log")) == ["child", "parent"]


def test_secrets_are_masked(file: LogFile, tmp_path: Path) -> None:
    say(file, "sent Authorization: Bearer abcdef to https://ada:hunter2@example.org")
    file.flush()

    (message,) = messages(tmp_path / "logs" / "automation.log")
    assert not {"abcdef", "hunter2"} & set(message.replace("@", " ").replace(":", " ").split())


def test_a_folder_that_cannot_be_made_is_said_once_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").touch()
    file = log_file(tmp_path / "taken" / "automation.log")
    for _ in range(3):
        say(file, "hello")
        file.flush()

    assert [r.getMessage().partition(" cannot be written")[1] != "" for r in caplog.records] == [
        True
    ]


def test_its_lines_go_to_standard_output_and_nowhere_twice(tmp_path: Path) -> None:
    files = LogFiles(folder=tmp_path, max_bytes=1024, backups=5, loggers={"a.log": ["some.lines"]})
    config = logging_config(json=True, files=files)

    assert config["loggers"]["some.lines"] == {"handlers": ["a.log", "stdout"], "propagate": False}
    assert config["handlers"]["stdout"]["stream"] == "ext://sys.stdout"
    assert config["handlers"]["a.log"]["path"] == str(tmp_path / "a.log")


@pytest.mark.req("TQ-35", "IN-46")
def test_without_a_folder_they_lie_in_the_data_directory(tmp_path: Path) -> None:
    files = log_files_of(Env({}), tmp_path, is_test=False)

    assert files is not None
    assert files.folder == tmp_path / "logs"
    assert (files.max_bytes, files.backups) == (10 * 2**20, 5)
    assert set(files.loggers) == {"automation.log", "orchestrator.log"}
    assert log_files_of(Env({"LOG_DIR": "none"}), tmp_path, is_test=False) is None
    assert log_files_of(Env({}), tmp_path, is_test=True) is None


@pytest.mark.req("IN-46", "IN-52")
def test_every_logger_that_is_kept_belongs_to_a_module(tmp_path: Path) -> None:
    files = log_files_of(Env({}), tmp_path, is_test=False)

    assert files is not None
    for name in (name for names in files.loggers.values() for name in names):
        assert Path(__file__).parents[2].joinpath(*name.split(".")).with_suffix(".py").exists()
