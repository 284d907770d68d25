"""Saving hosts for commands and the rules about commands."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, Final

import regex
from django.db import transaction

from agents_cfg.selectors.fresh import fresh
from agents_cfg.services.secrets import secret_names
from orchestration.models import CommandRule, SshTarget
from taskmapr.core.errors import InvalidInput

logger = logging.getLogger(__name__)

Problem = tuple[str, str]
_ALIAS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]+(%\w+)?")
_USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_HOST_KEY: Final = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*"
)


@transaction.atomic
def ssh_target_save(*, target: SshTarget, by: str) -> SshTarget:
    """Store a target; it holds in every process within seconds. `by`: who did it, for the log.

    Raises InvalidInput.
    """
    target.host_keys = [host_key_of(line) for line in target.host_keys]
    ssh_target_check(target)
    is_new = target._state.adding
    target.save()
    logger.info("ssh target %s %s by %s", target.alias, "added" if is_new else "changed", by)
    ssh_changed()
    return target


def ssh_changed() -> None:
    """This process looks again; others do so within seconds by themselves."""
    transaction.on_commit(fresh.forget)


def host_key_of(line: Any) -> str:
    """`<type> <base64>` of a line as known_hosts and `ssh-keyscan` write it, without names and
    comments; what is none stays as it is."""
    words = str(line).split()
    for number, word in enumerate(words[:-1]):
        if _HOST_KEY.fullmatch(f"{word} {words[number + 1]}"):
            return f"{word} {words[number + 1]}"
    return str(line)


def ssh_target_check(target: SshTarget) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = list(_problems(target))
    if problems:
        raise InvalidInput.of(*problems)


def _problems(target: SshTarget) -> Iterator[Problem]:
    if not _ALIAS.fullmatch(target.alias):
        yield "alias", "takes letters, digits, dot, - and _"
    if not _ADDRESS.fullmatch(target.address):
        yield "address", "is a name or an IP address, without user and port"
    if not _USER.fullmatch(target.user):
        yield "user", "is the name of an account"
    if target.key_secret not in secret_names():
        yield "key_secret", "there is no such secret"
    if not isinstance(target.host_keys, list) or not target.host_keys:
        yield "host_keys", "needs at least one key of the host"
    elif not all(_HOST_KEY.fullmatch(host_key_of(one)) for one in target.host_keys):
        yield "host_keys", "takes public keys, such as: ssh-ed25519 AAAA…"
    if not isinstance(target.path_prefixes, list) or not all(
        isinstance(one, str) and one.startswith("/") and ".." not in one.split("/")
        for one in target.path_prefixes
    ):
        yield "path_prefixes", "takes absolute paths without .."
    elif any(not one.strip("/.") for one in target.path_prefixes):
        yield "path_prefixes", "the whole file system is too much"


@transaction.atomic
def command_rule_save(*, rule: CommandRule, by: str) -> CommandRule:
    """Store a rule; it holds in every process within seconds. Raises InvalidInput."""
    command_rule_check(rule)
    is_new = rule._state.adding
    rule.save()
    logger.info("command rule %s %s by %s", rule.pk, "added" if is_new else "changed", by)
    ssh_changed()
    return rule


def command_rule_check(rule: CommandRule) -> None:
    """Raises InvalidInput for a pattern that is none, or that matches every command."""
    try:
        matches_all = regex.compile(rule.pattern).search("", timeout=1) is not None
    except regex.error as error:
        raise InvalidInput.of(("pattern", f"is no regular expression: {error}")) from error
    if matches_all:
        raise InvalidInput.of(("pattern", "matches everything"))
