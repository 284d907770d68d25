"""The policy that stands in until a billing app brings its own: everything is allowed."""

from __future__ import annotations

from uuid import UUID


class OpenPolicy:
    """Policy without tiers or quotas."""

    def check_run_start(self, *, user_id: UUID, run_kind: str) -> None:
        """Every user may start every kind of run."""
