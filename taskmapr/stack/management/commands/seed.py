"""`manage.py seed`: what a new installation begins with. Safe to repeat."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from agents_cfg.services.seeds import seeds_plant
from memory.services.knowledge_seeds import knowledge_plant
from taskmapr.users.services.seeded_key import seeded_key_plant
from taskmapr.users.services.staff_groups import staff_groups_plant


class Command(BaseCommand):
    help = (
        "Make the staff groups, the key of TASKMAPR_API_KEY, the default overlay profile and the"
        " documentation's collection."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for made in (
            *staff_groups_plant(),
            *seeded_key_plant(),
            *seeds_plant(),
            *knowledge_plant(),
        ):
            self.stdout.write(f"made {made}")
