"""Stacks for tests: one per module, from one prepared database."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import servers
from tests.e2e.processes import ROOT
from tests.e2e.stack import Shape, Stack, environment, place_make
from tests.modelserver.process import ScriptedServer, running_model_server


@pytest.fixture(scope="session")
def models() -> Iterator[ScriptedServer]:
    with running_model_server() as server:
        yield server


@pytest.fixture(scope="session")
def prepared_database(request: pytest.FixtureRequest, models: ScriptedServer) -> str:
    """The name of a database with tables, users and profiles; stacks work on copies of it."""
    servers.postgres_start()
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    name = f"stack_template_{worker}"
    with servers.alone():
        servers.postgres.database_make(name)
    database_prepare(servers.postgres.url_of(name), models)
    return name


def database_prepare(url: str, models: ScriptedServer) -> None:
    """Tables, users and profiles are in this database."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.e2e.prepare", models.base_url]
    env = environment(Path("/nonexistent"), url, models)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shape() -> Shape:
    """Modules that need another one define a fixture of this name."""
    return Shape()


@pytest.fixture(scope="module")
def module_stack(
    request: pytest.FixtureRequest, prepared_database: str, models: ScriptedServer, shape: Shape
) -> Iterator[Stack]:
    name = prepared_database.replace("template", request.module.__name__.rsplit(".", 1)[-1])
    with servers.alone():
        servers.postgres.database_make(name, template=prepared_database)
    place = place_make()
    stack = Stack(place, servers.postgres.url_of(name), models, shape)
    try:
        stack.start()
        yield stack
    finally:
        stack.end()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def stack(module_stack: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The module's stack, whole again: what an earlier test killed has been started anew, and no
    service is left alone for what it did then."""
    module_stack.start()
    module_stack.models.reset()
    module_stack.circuits_forget()
    yield module_stack
    if getattr(request.node, "failed", False):
        print(module_stack.logs()[-20_000:])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
