"""What operators say of intents: rules of modes, and keys of repeats."""

from __future__ import annotations

import logging

from agents_cfg.selectors.fresh import fresh
from orchestration.models import IdempotencyKey, ModeRule
from taskmapr.core.errors import InvalidInput

logger = logging.getLogger(__name__)


def mode_rule_check(rule: ModeRule) -> None:
    """Raises InvalidInput for a rule that says nothing, or names a target without a mode."""
    if not rule.mode and rule.per_minute is None:
        raise InvalidInput.of(("mode", "choose a mode, or set a limit"))
    if rule.target and not rule.mode:
        raise InvalidInput.of(("target", "needs a mode"))


def mode_rule_save(*, rule: ModeRule, by: str) -> ModeRule:
    """Every process goes by it within two seconds; jobs that have begun keep theirs."""
    mode_rule_check(rule)
    rule.save()
    logger.info("rule of modes %s saved by %s", rule, by)
    fresh.forget()
    return rule


def idempotency_key_free(key: IdempotencyKey) -> None:
    """The next equal request begins anew."""
    key.delete()
