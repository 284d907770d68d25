"""What `collectstatic` leaves for a server in production: names with hashes, and the plain ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

KIB = 1024
STORED = "whitenoise.storage.CompressedManifestStaticFilesStorage"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of our own files; those of other apps are left out, they take long."""
    root = tmp_path_factory.mktemp("static")
    finder = "django.contrib.staticfiles.finders.FileSystemFinder"
    storages = {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "staticfiles": {"BACKEND": STORED},
    }
    with override_settings(STORAGES=storages, STATIC_ROOT=root, STATICFILES_FINDERS=[finder]):
        call_command("collectstatic", verbosity=0, interactive=False)
    return root / "taskmapr"


def test_the_address_that_other_sites_name_stays(collected: Path) -> None:
    assert (collected / "overlay.js").exists()
    assert list(collected.glob("overlay.????????????.js")), "and a hashed one for our own pages"


def test_other_sites_load_at_most_30_kib(collected: Path) -> None:
    assert (collected / "overlay.js.gz").stat().st_size <= 30 * KIB


def test_every_module_finds_what_it_imports(collected: Path) -> None:
    imports = [
        (path, found)
        for path in collected.rglob("*.js")
        for found in re.findall(r'^import [^"]*"(\.[^"]+)"', path.read_text(), re.M)
    ]

    assert imports
    assert [(p.name, found) for p, found in imports if not (p.parent / found).exists()] == []
