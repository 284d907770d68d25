"""Hosts for commands, and the commands that are refused everywhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import regex

from agents_cfg.selectors.fresh import fresh
from orchestration.models import CommandRule, SshTarget
from orchestration.targets.ssh_deny import DenyPattern

logger = logging.getLogger(__name__)

_TARGETS: Final = "ssh_targets"
_RULES: Final = "command_rules"


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """A target and the ids of the users whom it names."""

    row: SshTarget
    users: frozenset[str]

    def is_for(self, user_id: str) -> bool:
        return self.row.is_for_everybody or user_id in self.users


def ssh_target_named(alias: str) -> KnownTarget | None:
    """An enabled target. At most FRESH_S seconds old."""
    return fresh.get(_TARGETS, _targets).get(alias)


def _targets() -> dict[str, KnownTarget]:
    rows = SshTarget.objects.filter(is_enabled=True).prefetch_related("users")
    return {
        row.alias: KnownTarget(row, frozenset(str(user.pk) for user in row.users.all()))
        for row in rows
    }


def deny_patterns() -> tuple[DenyPattern, ...]:
    """What is never carried out. At most FRESH_S seconds old."""
    return fresh.get(_RULES, _patterns)


def _patterns() -> tuple[DenyPattern, ...]:
    found = []
    for rule in CommandRule.objects.filter(is_enabled=True):
        try:
            found.append(DenyPattern.of(rule.pattern, rule.reason))
        except regex.error:
            logger.exception("the rule %s about commands cannot be read", rule.pk)
    return tuple(found)
