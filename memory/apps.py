from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import import_string


class MemoryConfig(AppConfig):
    name = "memory"
    verbose_name = "Memory and knowledge"

    def ready(self) -> None:
        # By name: neither module can be imported before the models are there.
        import_string("taskmapr.users.services.erasure.eraser_register")(
            "memory", import_string("memory.services.items.user_memory_erase")
        )
