"""Requests made from the API document, fitting and not: nobody breaks the server with words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from orchestration.dialects.overlay_schema import DATA, component_of
from taskmapr.foundation.problems import PROBLEM_JSON
from tests.contracts.schemas import DOCUMENT, validator
from tests.e2e.cast import CYD
from tests.e2e.stack import Shape, Stack

pytestmark = pytest.mark.e2e

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [(method, path) for path, item in DOCUMENT["paths"].items() for method in item]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: These send requests of their own: they go with the first few.
ROUND_ABOUT = [unsupported_method, ignored_auth]
ROUNDS = 3
#: Hashing a password takes a quarter of a second; these take no other input.
SLOW = {"/api/v1/auth/register": 8, "/api/v1/auth/login": 8, "/api/v1/auth/me": 8}
#: Where most of what a stranger may send goes.
WIDE = {"/api/taskmapr/orchestrate": 100}
EXAMPLES = 20

_PROBLEM = validator("Problem")
_FRAMES = {name: validator(component_of(name), strict=True) for name in DATA}
#: What a refused request must not add to. Answers are stored by workers, some time later.
COUNT = """
SELECT (SELECT count(*) FROM agent_runs), (SELECT count(*) FROM agent_sessions),
       (SELECT count(*) FROM agent_messages WHERE role = 'user'),
       (SELECT count(*) FROM agent_approvals), (SELECT count(*) FROM users_user)
"""


@pytest.fixture(scope="module")
def shape() -> Shape:
    return Shape(beat=False, env={"TASKMAPR_RATE_LIMIT_ADDRESS_PER_MINUTE": "0"})


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def asked(stack: Stack) -> dict[str, str]:
    """A new run in a session, both of the caller."""
    stream = stack.ask("Hello", model="text-5", session="fuzzed", user=CYD)
    stream.rest()
    stack.wait_for_end(stream.run_id)
    return {"run_id": stream.run_id, "session_key": "fuzzed"}


@pytest.fixture(scope="module")
def _lists_are_not_empty(module_stack: Stack) -> None:
    asked(module_stack)


@pytest.fixture
def ids(stack: Stack, path: str, _lists_are_not_empty: None) -> dict[str, str]:
    """What exists of that which the path names."""
    named = any(name in path for name in ("{run_id}", "{session_key}"))
    return asked(stack) if named else {}


@pytest.mark.req("OV-07", "OV-08", "OV-11", "OV-20")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_the_document_knows(
    stack: Stack,
    session: requests.Session,
    ids: dict[str, str],
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    operation = SCHEMA[path][method]
    if mode is GenerationMode.NEGATIVE and not _takes_anything(DOCUMENT["paths"][path][method]):
        return
    headers = stack.credentials(CYD)
    sent = count()

    with psycopg.connect(stack.database_url, autocommit=True) as database:

        @settings(
            max_examples=WIDE.get(path, SLOW.get(path, EXAMPLES)),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            _name_what_exists(case, ids)
            before = database.execute(COUNT).fetchone()
            answer = case.call(stack.address(), session, headers=headers, timeout=30)
            checks = [*CHECKS, *(ROUND_ABOUT if next(sent) < ROUNDS else [])]
            if answer.headers["content-type"][0].startswith("text/event-stream"):
                checks.remove(response_schema_conformance)
                _check_stream(answer.text)
            case.validate_response(answer, checks=checks, headers=headers)
            if answer.status_code >= 400:
                _check_refusal(answer)
                assert database.execute(COUNT).fetchone() == before

        send()


def _takes_anything(operation: dict[str, Any]) -> bool:
    return bool(operation.get("parameters") or operation.get("requestBody"))


def _name_what_exists(case: schemathesis.Case, ids: dict[str, str]) -> None:
    """Half of the requests are about something that is there."""
    for name, known in ids.items():
        given_id = (case.path_parameters or {}).get(name)
        if given_id is not None and len(str(given_id)) % 2:
            case.path_parameters[name] = known


def _check_stream(text: str) -> None:
    frames = [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]
    assert frames[-1]["type"] == "complete"
    for frame in frames:
        assert [error.message for error in _FRAMES[frame["type"]].iter_errors(frame)] == []


def _check_refusal(answer: Any) -> None:
    if answer.status_code == 503 and "failing" in answer.json():
        return  # probes have a form of their own
    assert answer.headers["content-type"] == [PROBLEM_JSON]
    body = answer.json()
    assert [error.message for error in _PROBLEM.iter_errors(body)] == []
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"][0]
    text = answer.text
    assert not any(word in text for word in ("Traceback", "SELECT ", "psycopg", "<html"))
