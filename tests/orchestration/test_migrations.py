from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from orchestration.log.partitions import partition_names


@pytest.mark.django_db(transaction=True)
def test_every_migration_of_ours_goes_back_and_forth() -> None:
    for app in ("orchestration", "memory", "agents_cfg"):
        call_command("migrate", app, "zero", verbosity=0)
    tables = connection.introspection.table_names()
    assert not [
        name
        for name in tables
        if name.startswith(("agent_", "agents_cfg", "memory_", "knowledge_"))
    ]

    call_command("migrate", verbosity=0)

    assert "agent_run_events_default" in partition_names()
