"""Stacks for tests, from one prepared database: modules of one shape share one in turn."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskmapr.stack.postgres import EmbeddedPostgres, binaries
from tests.conftest import servers
from tests.e2e.cast import PAGE
from tests.e2e.processes import ROOT
from tests.e2e.stack import Shape, Stack, environment, place_make
from tests.modelserver.process import ScriptedServer, running_model_server
from tests.servers import schema_hash


@pytest.fixture(scope="session")
def models() -> Iterator[ScriptedServer]:
    with running_model_server() as server:
        yield server


@pytest.fixture(scope="session")
def prepared_database(
    request: pytest.FixtureRequest, models: ScriptedServer, django_db_setup: None
) -> str:
    """The name of a database with tables, users and profiles; stacks work on copies of it. It is
    itself a copy, of the template whose tables are made once per run."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    name = f"stack_template_{worker}"
    with servers.alone():
        servers.postgres.database_make(name, template=f"template_{schema_hash()}")
    command = [sys.executable, "-W", "ignore", "-m", "tests.e2e.prepare", models.base_url]
    env = environment(Path("/nonexistent"), servers.postgres.url_of(name), models)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return name


@pytest.fixture(scope="session")
def database_fill(prepared_database: str) -> Callable[[EmbeddedPostgres], None]:
    """For stacks with a server of their own: its database has what the prepared one has."""

    def fill(server: EmbeddedPostgres) -> None:
        source = servers.postgres.url_of(prepared_database)
        dump = subprocess.run([binaries() / "pg_dump", source], capture_output=True, check=True)
        load = [binaries() / "psql", "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", server.url]
        subprocess.run(load, input=dump.stdout, capture_output=True, check=True)

    return fill


@pytest.fixture(scope="module")
def shape() -> Shape:
    """Modules that need another one define a fixture of this name. One for all others, so that
    they share a stack: two web processes, and a page of another origin."""
    return Shape(web=2, env={"CORS_ALLOWED_ORIGINS": PAGE})


class Stacks:
    """The stack that the last module used. Starting one takes as long as ten tests."""

    def __init__(self, prepared_database: str, models: ScriptedServer) -> None:
        self._template, self._models = prepared_database, models
        self._last: tuple[Shape, Stack] | None = None
        self._count = 0

    def of(self, shape: Shape) -> Stack:
        """Running, and of that shape."""
        if self._last is not None and self._last[0] == shape and shape.shared:
            return self._last[1]
        self.end()
        self._count += 1
        name = self._template.replace("template", str(self._count))
        with servers.alone():
            servers.postgres.database_make(name, template=self._template)
        stack = Stack(place_make(), servers.postgres.url_of(name), self._models, shape)
        self._last = (shape, stack)
        stack.start()
        return stack

    def end(self) -> None:
        if self._last is not None:
            (_, stack), self._last = self._last, None
            stack.end()
            shutil.rmtree(stack.place, ignore_errors=True)


_of_this_session: list[Stacks] = []


@pytest.fixture(scope="session")
def stacks(prepared_database: str, models: ScriptedServer) -> Iterator[Stacks]:
    stacks = Stacks(prepared_database, models)
    _of_this_session.append(stacks)
    yield stacks
    stacks.end()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What nobody wants next must not take time from whatever comes."""
    if "module_stack" not in getattr(nextitem, "fixturenames", ()):
        for stacks in _of_this_session:
            stacks.end()


@pytest.fixture(scope="module")
def module_stack(stacks: Stacks, shape: Shape) -> Stack:
    return stacks.of(shape)


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
