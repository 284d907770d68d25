"""The scripted model server, and a loop for the async tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.modelserver.process import ScriptedServer, running_model_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def running_server() -> Iterator[ScriptedServer]:
    with running_model_server() as server:
        yield server


@pytest.fixture
def server(running_server: ScriptedServer) -> ScriptedServer:
    """The running server, with no scripts and no requests."""
    running_server.reset()
    return running_server
