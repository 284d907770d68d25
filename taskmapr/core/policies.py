"""A policy for programs without accounts of usage: everything is allowed."""

from __future__ import annotations

from taskmapr.core.ports import AskedRun


class OpenPolicy:
    """Policy without tiers or quotas."""

    def check_run_start(self, asked: AskedRun) -> tuple[str, ...]:
        """Every user may start every kind of run."""
        return ()
