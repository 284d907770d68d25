"""Who and what the stack knows: plain values, for the tests and for the stack's own processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    email: str


ADA = Person(UUID("00000000-0000-4000-8000-00000000ada0"), "ada@example.org")
CYD = Person(UUID("00000000-0000-4000-8000-000000000c0d"), "cyd@example.org")

#: Where a page may ask from, beside our own.
PAGE = "https://app.example.com"

#: The names that a request may ask for; what each answers: tests/modelserver/script.py.
#: "scripted" and "scripted-2" are for answers that a test queues.
MODELS = (
    "scripted",
    "scripted-2",
    "echo",
    "text-5",
    "held-4",
    "held-1x9",
    "held-5x3",
    "cut-3",
    "silent-2",
    "odd-2",
    "think",
    "status-401",
    "status-429",
    "status-500",
)

#: What the stack's processes are given as secrets; production refuses shorter ones.
KEYS = {
    "DJANGO_SECRET_KEY": "b1Q9dJx7Zr0kP4mW8sTn2VyL6cHf3GuEo5AiNqRjXt",
    "TASKMAPR_SECRET_KEY": "m4Xc7Vb2Nq9Lw1Ke6Rt8Yp3Uj5Hg0Fd-ZsAxQoIiTt",
    "JWT_SECRET": "w8Rk3Zp5Tn1Xv6Bq9Lm2Jc7Hd4Gf0Sy-UeAoIiNtQr",
    "OPENAI_API_KEY": "sk-e2e-0123456789abcdefghijklmnop",
}


def effects_file(data_dir: Path) -> Path:
    """One line for each effect that happened."""
    return data_dir / "effects.txt"


def order_file(data_dir: Path, moment: str, line: str) -> Path:
    """An order to the call of `test.write` that writes this line: to stand still for ever at that
    moment, "before" or "after" its effect. The call takes the file away when it has obeyed."""
    return data_dir / f"stand-still-{moment}-{line}"


def release_file(data_dir: Path, name: str) -> Path:
    """Exists when the call of `test.held`, or the task, of that name may go on."""
    return data_dir / f"released-{name}"


def halt_file(data_dir: Path, point: str) -> Path:
    """Exists when a job has come to that point of its way (faults.py) and stands still there."""
    return data_dir / f"halted-{point}"
