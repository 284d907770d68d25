"""`python -m tests.e2e.prepare <address of the model server>`: what a stack's database begins with.

Users Ada and Cyd, a default profile that may use every scripted model, some model rows that answer
in a way of their own, and a type of tasks with two steps, of which the first is held.
"""

from __future__ import annotations

import os
import sys

from taskmapr.foundation.collector import collector_spare
from tests.e2e.cast import ADA, CYD, MODELS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskmapr.settings")


def main(base_url: str) -> None:
    import django

    collector_spare()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    _users_make()
    _profiles_make(base_url)
    _types_make()


def _users_make() -> None:
    from taskmapr.users.models import User

    for user in (ADA, CYD):
        User.objects.create(pk=user.id, email=user.email, password="!")


def _types_make() -> None:
    from orchestration.models import TaskDefinition

    slow = {"name": "{{ params.name }}", "steps": 2, "held_after": 1}
    quick = {"duration_s": 0, "steps": 1, "told": "{{ steps.slow.status }}"}
    steps = [
        {"name": "slow", "type": "test.held_task", "params": slow},
        {"name": "quick", "type": "test_task", "params": quick},
    ]
    TaskDefinition.objects.create(name="two_steps", kind="sequence", content={"steps": steps})


def _profiles_make(base_url: str) -> None:
    from agents_cfg.models import ModelProfile, OverlayProfile, default_tools

    second = ModelProfile.objects.create(
        name="second", model="text-3", adapter="openai", base_url=base_url
    )
    rows = {
        "offline": {"model": "mock/echo", "adapter": "offline"},
        "unreachable": {"model": "echo", "adapter": "openai", "base_url": "http://127.0.0.1:1/v1"},
        "falls-back": {
            "model": "status-500",
            "adapter": "openai",
            "base_url": base_url,
            "fallback": second,
        },
    }
    for name, row in rows.items():
        ModelProfile.objects.create(name=name, **row)
    common = {
        "tools": [*default_tools(), "test.*"],
        "allowed_models": [*MODELS, *rows],
    }
    OverlayProfile.objects.create(name="default", is_default=True, **common)
    OverlayProfile.objects.create(name="patient", disconnect_policy="continue", **common)


if __name__ == "__main__":
    main(sys.argv[1])
