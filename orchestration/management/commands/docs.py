"""`manage.py docs`: write the reference pages, or check that they are up to date."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestration.reference import pages


class Command(BaseCommand):
    help = "Writes docs/events.md, docs/errors.md and docs/openapi.json from the code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing, fail if outdated")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(settings.BASE_DIR) / "docs"
        outdated = [name for name, text in pages().items() if _read(folder / name) != text]
        if options["check"]:
            if outdated:
                raise CommandError(f"outdated, run `make docs`: {', '.join(outdated)}")
            return
        folder.mkdir(exist_ok=True)
        for name in outdated:
            (folder / name).write_text(pages()[name])
            self.stdout.write(f"wrote docs/{name}")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
