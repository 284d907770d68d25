import json
import logging
import sys

import pytest

from taskmapr.foundation.telemetry.logs import (
    JsonFormatter,
    PlainFormatter,
    bind_only,
    bound,
    bound_id,
    logging_config,
    redacted,
)


def _record(message="hello", *args, exc_info=None, **extra):
    record = logging.LogRecord("taskmapr.x", logging.INFO, "f.py", 1, message, args, exc_info)
    record.__dict__.update(extra)
    return record


@pytest.mark.req("OV-66", "VB-83")
def test_a_line_is_one_json_object_with_the_bound_ids():
    bind_only(request_id="req-1", user_id=7)
    with bound(run_id="run-1", session_id=None):
        line = json.loads(JsonFormatter().format(_record("two\nlines %s", "ä")))
    assert line == {
        "timestamp": line["timestamp"],
        "level": "INFO",
        "logger": "taskmapr.x",
        "message": "two\nlines ä",
        "request_id": "req-1",
        "run_id": "run-1",
        "session_id": None,
        "user_id": "7",
    }
    assert line["timestamp"].endswith("Z")
    assert bound_id("run_id") == ""
    bind_only()
    assert bound_id("request_id") == ""


def test_a_line_break_never_ends_a_json_line():
    assert "\n" not in JsonFormatter().format(_record("a\nb"))


def test_known_extras_are_kept_and_unknown_ones_left_out():
    line = json.loads(JsonFormatter().format(_record(status=404, prompt="what a person said")))
    assert line["status"] == 404
    assert "prompt" not in line


def test_a_traceback_is_kept_and_redacted():
    try:
        int("Bearer abc.def.ghi")
    except ValueError:
        line = json.loads(JsonFormatter().format(_record(exc_info=sys.exc_info())))
    assert "ValueError" in line["traceback"]
    assert "abc.def.ghi" not in line["traceback"]


@pytest.mark.req("OV-66")
def test_plain_lines_carry_the_ids_too():
    with bound(run_id="run-1"):
        line = PlainFormatter().format(_record("hello"))
    assert line.endswith("INFO    taskmapr.x: hello [run_id=run-1]")


@pytest.mark.req("OV-66", "VB-83")
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc123", "abc123"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ('{"password": "hunter2"}', "hunter2"),
        ("password=hunter2 next", "hunter2"),
        ("GET /ws?access_token=s3cr3t&x=1", "s3cr3t"),
        ("GET /ws?x=1&token=s3cr3t", "s3cr3t"),
        ("x-api-key: tm_abcdefghijkl", "tm_abcdefghijkl"),
        ("key is sk-abcdefghijklmnop", "sk-abcdefghijklmnop"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIiOiIxIn0"),
        ("postgresql://user:p4ss@host/db", "p4ss"),
        ("refresh_token='abc'", "abc"),
    ],
)
def test_secrets_are_masked(text, secret):
    assert secret not in redacted(text)
    assert "[redacted]" in redacted(text)
    assert secret not in json.loads(JsonFormatter().format(_record(text)))["message"]


@pytest.mark.parametrize(
    "text",
    [
        "[TaskMapr] Stream completed - 1.4s, 120 tokens",
        "[TaskMapr] Page: /team (12 interactive elements)",
        "GET /api/v1/auth/me?x=1 200",
        "tokens: 12",
        "http://localhost:8000/a@b",
    ],
)
def test_ordinary_lines_stay_as_they_are(text):
    assert redacted(text) == text


@pytest.mark.parametrize("as_json", [True, False])
def test_the_configuration_is_accepted(as_json, capsys):
    before = logging.getLogger().handlers[:]
    logging.config.dictConfig(logging_config(json=as_json, level="DEBUG"))
    try:
        logging.getLogger("taskmapr.test").debug("token=abc")
        out = capsys.readouterr().err
        assert "token=[redacted]" in out
        assert out.startswith("{") is as_json
    finally:
        logging.getLogger().handlers[:] = before
        logging.getLogger("taskmapr").setLevel(logging.INFO)
