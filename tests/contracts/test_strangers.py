"""What belongs to Ada is not there for Cyd, at every endpoint that takes an id.

The endpoints come from the URL map: a new one fails here until it says which of Ada's things its id
names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps

from orchestration.models.approval import ApprovalAsks
from orchestration.services.artifacts import artifact_store
from orchestration.services.pausing import approval_open
from taskmapr.users.models import User
from tests.contracts.routes import api_routes
from tests.orchestration.api.conftest import Answer, Call
from tests.orchestration.conftest import StartRun

#: Whoever has the token in the address is let in, whoever it is: test_job_resume.
BY_TOKEN = {"/jobs/{job_id}/resume"}
ROUTES = [route for route in api_routes() if route.ids and route.path not in BY_TOKEN]
WITH_IDS = sorted((route.path, method) for route in ROUTES for method in route.methods)
#: What asks in somebody else's conversation is refused openly: its name is the client's own choice.
ASKING = {"/api/chat/{session_key}", "/api/stream/{session_key}"}
BODIES: dict[str, Any] = {
    "/api/taskmapr/approvals/{approval_id}": {"decision": "answered", "answer": "This"},
    "/api/chat/{session_key}": {"message": "Hello"},
}
QUERIES = {"/api/stream/{session_key}": "?prompt=Hello"}
#: The others wait for a worker.
ANSWERED_AT_ONCE = [
    (path, method) for path, method in WITH_IDS if path not in ASKING and "stream" not in path
]
#: Whoever may not have a file is not told that it exists: to sign in would be a hint.
FILES = {"/static/screenshots/{task_id}/{name}", "/static/results/{task_id}/{name}"}
#: Not for a task that waits for a worker, for a name that is another kind of file's, for a job
#: without callback.
REFUSED = {
    "/tasks/{task_id}/retry",
    "/tasks/{task_id}/confirm",
    "/static/results/{task_id}/{name}",
    "/jobs/{job_id}/redeliver",
}
NOWHERE = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def adas(start: StartRun) -> dict[str, str]:
    """What Ada has, by the name of the id in a path."""
    run = start(session_id="adas-session")
    question = approval_open(
        run_id=run.pk,
        asks=ApprovalAsks.QUESTION,
        question={"prompt": "Which one?"},
        wait=timedelta(minutes=5),
    )
    task = start(kind="task", session_id=None, subject="test_task", prompt="")
    artifact_store(
        run_id=task.pk, name="one.png", data=b"x", media_type="image/png", role="screenshot"
    )
    job = start(kind="intent", session_id=None, subject="my.operation", mode="agent")
    return {
        "run_id": str(run.pk),
        "task_id": str(task.pk),
        "name": "one.png",
        "job_id": f"job_{job.pk.hex}",
        "session_key": "adas-session",
        "approval_id": str(question.pk),
    }


@pytest.fixture
def ask(call: Call) -> Callable[..., Answer]:
    def ask(path: str, method: str, ids: dict[str, str], user: User | None) -> Answer:
        body = BODIES.get(path, {} if method in ("post", "put", "patch") else None)
        where = path.format(**ids) + QUERIES.get(path, "")
        return call(method.upper(), where, body, user=user)

    return ask


def test_every_id_in_a_path_is_one_that_these_tests_know(adas: dict[str, str]) -> None:
    named = {name for route in ROUTES for name in route.ids}

    assert named - adas.keys() == set(), "say in `adas` what of Ada's this is"
    assert len(WITH_IDS) >= 5


@pytest.mark.req("VB-84", "OV-22", "OV-47", "OV-51", "OV-S10")
@pytest.mark.parametrize(("path", "method"), WITH_IDS)
def test_a_stranger_is_told_what_somebody_without_such_a_thing_is_told(
    ask: Callable[..., Answer], adas: dict[str, str], cyd: User, path: str, method: str
) -> None:
    before = _rows()
    foreign = ask(path, method, adas, cyd)

    if path in ASKING:
        assert (foreign.status, foreign.json["code"]) == (403, "session_forbidden")
    else:
        missing = ask(path, method, dict.fromkeys(adas, NOWHERE), cyd)
        assert foreign.status == 404
        assert _said(foreign) == _said(missing)
    assert _rows() == before


@pytest.mark.req("OV-52")
@pytest.mark.parametrize(("path", "method"), WITH_IDS)
def test_nobody_is_told_to_sign_in(
    ask: Callable[..., Answer], adas: dict[str, str], path: str, method: str
) -> None:
    answer = ask(path, method, adas, None)

    assert answer.status == (404 if path in FILES else 401)
    assert path in FILES or answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.req("OV-09")
@pytest.mark.parametrize(("path", "method"), ANSWERED_AT_ONCE)
def test_the_owner_is_let_in(
    ask: Callable[..., Answer], adas: dict[str, str], ada: User, path: str, method: str
) -> None:
    answer = ask(path, method, adas, ada)

    assert answer.status < 300 or (path in REFUSED and answer.status in (404, 409))


def _said(answer: Answer) -> dict[str, Any]:
    own = ("instance", "request_id", "timestamp")
    return {name: value for name, value in answer.json.items() if name not in own}


def _rows() -> dict[str, int]:
    models = [m for m in apps.get_models() if m.__module__.startswith(("orchestration", "memory"))]
    return {model._meta.label: model._default_manager.count() for model in models}
