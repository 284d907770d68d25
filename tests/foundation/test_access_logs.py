"""Access logs with the servers' own formatters: the token of an address does not reach them."""

import io
import logging

import pytest
from uvicorn.logging import AccessFormatter

from taskmapr.foundation.telemetry.access_logs import access_logs_mask

ADDRESS = "/api/stream/s?prompt=hi&access_token=eyJhbGciOiJIUzI1NiJ9.e30.c2ln&x=1"


@pytest.fixture
def written():
    """written(logger, formatter) → the text that this logger writes while the test runs."""
    undo = []

    def _written(name, formatter):
        text, logger = io.StringIO(), logging.getLogger(name)
        handler = logging.StreamHandler(text)
        handler.setFormatter(formatter)
        before = logger.level, list(logger.filters)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        undo.append((logger, handler, before))
        access_logs_mask()
        access_logs_mask()
        return text

    yield _written
    for logger, handler, (level, filters) in undo:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.filters = filters


@pytest.mark.req("OV-50", "VB-83")
def test_uvicorn(written):
    formatter = AccessFormatter('%(client_addr)s "%(request_line)s" %(status_code)s')
    text = written("uvicorn.access", formatter)
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", ADDRESS, "1.1", 200
    )
    line = text.getvalue()
    # Libraries that mask log lines too may have been there before us.
    assert "?prompt=hi&" in line
    assert "&x=1 " in line
    assert "eyJ" not in line


@pytest.mark.req("OV-50", "VB-83")
def test_granian(written):
    text = written("granian.access", logging.Formatter("%(message)s"))
    logging.getLogger("granian.access").info(
        '"%(method)s %(path)s?%(query_string)s" %(status)d',
        {"method": "GET", "path": "/s", "query_string": ADDRESS.split("?")[1], "status": 200},
    )
    assert text.getvalue() == '"GET /s?prompt=hi&access_token=[redacted]&x=1" 200\n'


@pytest.mark.req("OV-50")
@pytest.mark.parametrize("server", ["uvicorn", "granian", "daphne"])
def test_the_servers_are_started_without_one(server):
    from taskmapr.stack.programs import server_command

    command = server_command(server, "127.0.0.1", 1)
    quiet = ["-v", "0"] if server == "daphne" else ["--no-access-log"]
    assert " ".join(quiet) in " ".join(command)
