"""`manage.py demo_esc_reset`: the demo site as on its first day."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from taskmapr.demo.esc.batches import batches_reset


class Command(BaseCommand):
    help = "Put the batches of the demo site ESC back and sign everybody out there."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{batches_reset()} batches are as on the first day.")
