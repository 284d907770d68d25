"""The rules that a new database begins with, as the pure functions take them."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from orchestration.targets.ssh_deny import DenyPattern


@cache
def shipped_patterns() -> tuple[DenyPattern, ...]:
    rules = import_module("orchestration.migrations.0020_deny_rules").RULES
    return tuple(DenyPattern.of(one, reason) for reason, *found in rules for one in found)
