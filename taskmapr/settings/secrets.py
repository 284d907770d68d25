"""The three secrets: from the environment, or on a developer's machine made once and kept."""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from taskmapr.settings.env import Env

_REMEDY = "restore it, or delete it and lose what was sealed with it"
_KEY = re.compile(r"[A-Za-z0-9._~+/-]{16,200}=*")
_NAMES = ("DJANGO_SECRET_KEY", "TASKMAPR_SECRET_KEY", "JWT_SECRET")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Empty members are missing ones; the start-up checks of production refuse them."""

    django: str = field(repr=False)
    #: The first seals, all open.
    masters: list[str] = field(repr=False)
    jwt: str = field(repr=False)


def secrets_of(env: Env, *, kept_in: Path | None) -> Secrets:
    """Values of the environment; what is missing comes from the file kept_in, made when absent.

    kept_in: None in production, where nothing is made up.
    """
    given = {name: env.text(name) for name in _NAMES}
    if kept_in is not None and not all(given.values()):
        kept = _kept(kept_in)
        given = {name: given[name] or kept[name] for name in _NAMES}
    masters = [part.strip() for part in given["TASKMAPR_SECRET_KEY"].split(",") if part.strip()]
    return Secrets(django=given["DJANGO_SECRET_KEY"], masters=masters, jwt=given["JWT_SECRET"])


def seeded_key_of(env: Env) -> str:
    """TASKMAPR_API_KEY, also known as API_KEY: what fits into a header, and cannot be guessed."""
    key = env.text("TASKMAPR_API_KEY") or env.text("API_KEY")
    if key and not _KEY.fullmatch(key):
        raise ImproperlyConfigured(
            "TASKMAPR_API_KEY must have 16 to 200 characters, of letters, digits and . _ ~ + / - ="
        )
    return key


def _kept(path: Path) -> dict[str, str]:
    try:
        if not path.exists():
            _make(path)
        kept = json.loads(path.read_text())
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise ImproperlyConfigured(f"{path} is damaged: {_REMEDY}") from error
    if missing := [name for name in _NAMES if not kept.get(name)]:
        raise ImproperlyConfigured(f"{path} lacks {', '.join(missing)}: {_REMEDY}")
    return {name: kept[name] for name in _NAMES}


def _make(path: Path) -> None:
    """Appears whole or not at all. Of several processes at once the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as file:
        json.dump({name: secrets.token_urlsafe(48) for name in _NAMES}, file, indent=1)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
