"""Trying out a site as it is described."""

from __future__ import annotations

from uuid import UUID

from orchestration.models import Site
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core.ids import uuid7


def site_check_begin(*, site: Site, owner_id: UUID) -> UUID:
    """A task signs in there and opens its list; nothing is changed. Returns the id of its run.

    Raises QueueUnavailable.
    """
    new = NewRun(
        run_id=uuid7(),
        kind="task",
        subject="check_site",
        queue="browser",
        owner_id=owner_id,
        session_id=None,
        credential=f"user:{owner_id}",
        input={"params": {"site": site.name}, "settings": {}},
        max_attempts=1,
    )
    run_start(new)
    return new.run_id
