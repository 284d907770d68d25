"""A host that commands run on, and the rules about them, as rows."""

from __future__ import annotations

from typing import Any

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from orchestration.models import CommandRule, SshTarget
from orchestration.services.ssh_targets import ssh_target_save
from taskmapr.users.models import User
from tests.orchestration.targets.denied import shipped_patterns
from tests.sshd import Sshd


def rules_restored() -> None:
    """As a new database has them, also after a test that emptied every table."""
    if not CommandRule.objects.exists():
        CommandRule.objects.bulk_create(
            CommandRule(reason=one.reason, pattern=one.pattern.pattern)
            for one in shipped_patterns()
        )


def web1_key(sshd: Sshd) -> str:
    """The name of the secret that opens the host."""
    return secret_save(secret=Secret(name="web1-key", value=sshd.private_key), by="root").name


def web1(sshd: Sshd, owner: User, **changes: Any) -> SshTarget:
    """The running server as `web1`, the owner's, where everything is allowed."""
    given = {
        "alias": "web1",
        "address": "127.0.0.1",
        "port": sshd.port,
        "user": sshd.user,
        "key_secret": web1_key(sshd),
        "host_keys": [sshd.host_key],
        "allows_exec": True,
        "path_prefixes": [str(sshd.folder)],
    }
    target = SshTarget(**{**given, **changes})
    ssh_target_save(target=target, by="root")
    target.users.add(owner)
    return target
