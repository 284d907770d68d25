from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import autodiscover_modules, import_string

from taskmapr.core import wired
from taskmapr.core.tool_functions import run_sync_tools_by
from taskmapr.core.tools import registry
from taskmapr.foundation.aio import in_tool_thread


class OrchestrationConfig(AppConfig):
    """Runs, their log, engines, dialects and doorways."""

    name = "orchestration"
    verbose_name = "Work"

    def ready(self) -> None:
        wired.wire(import_string(settings.TASKMAPR_PORTS)())
        import_module("orchestration.tools.ui").register()
        import_module("orchestration.tools.knowledge").register()
        import_module("orchestration.tools.memory").register()
        import_module("orchestration.tools.ssh").register()
        import_module("orchestration.task_sources.code").task_types_register()
        # By name: neither module can be imported before the models are there.
        import_string("taskmapr.users.services.erasure.eraser_register")(
            "orchestration", import_string("orchestration.services.retention.user_runs_erase")
        )
        import_string("taskmapr.foundation.http.breaker_settings.limits_read_by")(
            import_string("orchestration.selectors.circuits.circuit_limits")
        )
        run_sync_tools_by(in_tool_thread)
        # `tools.py` of every installed app, then the modules that the environment names.
        autodiscover_modules("tools")
        for module in settings.TASKMAPR["tool_modules"]:
            import_module(module)
        registry.close()
