from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import import_string


class BillingConfig(AppConfig):
    """What runs took, and how much they may take."""

    name = "billing"
    verbose_name = "Usage and quotas"

    def ready(self) -> None:
        # By name: neither module can be imported before the models are there.
        import_string("taskmapr.users.services.erasure.eraser_register")(
            "billing", import_string("billing.services.usage.user_usage_erase")
        )
