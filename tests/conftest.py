"""The test harness: real servers, one cloned database per worker, coroutine tests."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, async_to_sync

from taskmapr.foundation.collector import collector_settle, collector_spare
from tests.servers import Servers, schema_hash

collector_spare()
servers = Servers.of_this_run()
# Tests start hundreds of processes, each of which would compile all of TaskMapr anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ |= {
    "ENV": "test",
    "DJANGO_SETTINGS_MODULE": "taskmapr.settings",
    "DATABASE_URL": servers.postgres.url,
    "REDIS_URL": servers.redis.url,
}

import django  # noqa: E402 - settings are read from the environment written above

django.setup()


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None):  # we are xdist's controller
        servers.postgres_start()
        servers.redis_start()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes come first: begun last, a long one would keep one worker busy
    while the other had nothing left to do. Of these, files that share a stack are neighbours."""
    items.sort(key=lambda item: (item.get_closest_marker("e2e") is None, _has_own_stack(item)))


def _has_own_stack(item: pytest.Item) -> bool:
    module = item.getparent(pytest.Module)
    return module is not None and hasattr(module.obj, "shape")


def pytest_collection_finish() -> None:
    """All that is imported and collected by now stays."""
    collector_settle()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Coroutine tests run as Django's own do: async ORM calls use the test's thread, so its
    connection, so its transaction, and are rolled back with it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    async_to_sync(pyfuncitem.obj)(**wanted)
    return True


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: Any
) -> Iterator[None]:
    """This worker's own database, cloned from a template that is migrated once per run."""
    from django.core.management import call_command
    from django.db import connection, connections

    servers.postgres_start()
    template = f"template_{schema_hash()}"
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    with django_db_blocker.unblock():
        with servers.alone():
            _connect_to(connection, template)
            servers.postgres.database_make(template)
            call_command("migrate", verbosity=0, interactive=False)
            connection.close()
            servers.postgres.database_make(f"test_{worker}", template=template)
        _connect_to(connection, f"test_{worker}")
        yield
        SyncToAsync.single_thread_executor.submit(connections.close_all).result(10)
        connection.close()


@pytest.fixture(autouse=True, scope="session")
def _append_only_tables_may_be_emptied() -> Iterator[None]:
    """Tests that commit are cleaned up by TRUNCATE, which the run log refuses unless told."""
    from django.db import connection
    from django.test import TransactionTestCase

    teardown = TransactionTestCase._fixture_teardown

    def erasing(self: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET taskmapr.erasing = 'on'")
            teardown(self)
            cursor.execute("RESET taskmapr.erasing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", erasing)
        yield


def _connect_to(connection: Any, database: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = database
    os.environ["DATABASE_URL"] = servers.postgres.url_of(database)


@pytest.fixture(scope="session")
def redis_address(request: pytest.FixtureRequest) -> str:
    """A Redis database of this worker's own, for processes that outlive a test."""
    servers.redis_start()
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw0")
    return servers.redis.url_of(1 + int(worker.removeprefix("gw")))


@pytest.fixture
def redis_url(redis_address: str, settings: Any) -> str:
    """The same, empty."""
    import redis

    with redis.Redis.from_url(redis_address) as client:
        client.flushdb()
    settings.REDIS_URL = redis_address
    return redis_address


@pytest.fixture
def nobody_collects() -> Iterator[None]:
    """What stays until the collector comes stays for the whole test."""
    gc.disable()
    yield
    gc.enable()
