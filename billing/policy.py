"""The policy of this server: quotas."""

from __future__ import annotations

from billing.services.quotas import quota_reserve
from taskmapr.core.ports import AskedRun


class QuotaPolicy:
    """Who may start what, as far as the quotas go. See `ports.Policy`."""

    def check_run_start(self, asked: AskedRun) -> tuple[str, ...]:
        return quota_reserve(asked)
