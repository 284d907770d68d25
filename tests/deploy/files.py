"""The files that put TaskMapr elsewhere, and what can be asked of them without a build."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
#: Variables of the database image; everything else must be a setting of ours.
DATABASE_IMAGE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"}


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, its words) in order; lines that go on are joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    found = [line.strip().partition(" ") for line in lines if line.strip()]
    return [(instruction, words.strip()) for instruction, _, words in found]


def instructions(name: str) -> list[str]:
    return [words for instruction, words in dockerfile() if instruction == name]


def last_command() -> list[str]:
    """What the image runs when nobody says otherwise."""
    command: list[str] = json.loads(instructions("CMD")[-1])
    return command


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def settings_known() -> set[str]:
    return set(dotenv_values(ROOT / ".env.example"))


def managed(text: str) -> set[str]:
    """The names of the commands that are called as `python manage.py <name>`."""
    return set(re.findall(r"manage\.py ([a-z_]+)", text))
