"""An empty database to measure in, and made-up words to fill it with."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from taskmapr.stack.postgres import EmbeddedPostgres

_VOCABULARY: Final = 20_000


@contextmanager
def scratch_database() -> Iterator[Path]:
    """Django works on an empty database of ours, without a model and without Redis."""
    place = Path(tempfile.mkdtemp(prefix="taskmapr-bench-"))
    place.chmod(0o711)
    postgres = EmbeddedPostgres(place)
    try:
        postgres.start()
        keys = ("DJANGO_SECRET_KEY", "TASKMAPR_SECRET_KEY", "JWT_SECRET")
        os.environ.update({name: secrets.token_urlsafe(48) for name in keys})
        os.environ.update(
            DJANGO_SETTINGS_MODULE="taskmapr.settings",
            ENV="prod",
            DATABASE_URL=postgres.url,
            REDIS_URL=f"unix://{place}/none",
            KNOWLEDGE_ROOT=str(place / "knowledge"),
            TASKMAPR_DATA_DIR=str(place),
        )
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        yield place
    finally:
        postgres.stop()
        shutil.rmtree(place, ignore_errors=True)


def made_up_words() -> list[str]:
    """The first are in nearly every text, the last in hardly any."""
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    made = random.Random(1)
    return list(
        dict.fromkeys(
            "".join(made.choice(syllables) for _ in range(made.randint(2, 4)))
            for _ in range(2 * _VOCABULARY)
        )
    )[:_VOCABULARY]


def text_of(made: random.Random, words: list[str], count: int) -> str:
    """As in real texts, a word's rank and its frequency go against each other."""
    return " ".join(words[int(_VOCABULARY ** made.random()) - 1] for _ in range(count))
