"""Testing the connection to a host, for an operator."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, Final

from orchestration.models import SshTarget
from orchestration.targets.ssh import account_of
from taskmapr.core import jobs, wired
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.ports import HostAccount

#: Seconds that a test may take in all.
LIMIT_S: Final = 45.0
_RUN_S: Final = 10.0

Submit = Callable[[Coroutine[Any, Any, Any]], "Future[Any]"]


def ssh_check_begin(*, target: SshTarget) -> None:
    """A worker looks at the host. Raises QueueUnavailable."""
    _tell(target.pk, "asked for", key="")
    wired.ports().queue.enqueue(jobs.SSH_TARGET_CHECK, target.pk, queue=jobs.QUEUE_CHORES)


def ssh_check_run(*, target_id: int, submit: Submit) -> None:
    """Write down which key the host shows, and whether the account may sign in. Nothing that it
    shows is trusted by that, and no key of ours goes to a host whose key is not pinned."""
    target = SshTarget.objects.filter(pk=target_id).first()
    if target is None:
        return
    hosts = wired.ports().command_hosts()
    key = ""
    try:
        shown = submit(hosts.presented_key(target.address, target.port))
        key = shown.result(timeout=LIMIT_S)
        told = submit(_signed_in(account_of(target))).result(timeout=LIMIT_S)
    except (TaskMaprError, TimeoutError) as error:
        told = error.detail if isinstance(error, TaskMaprError) else "It took too long."
    _tell(target_id, told, key)


async def _signed_in(account: HostAccount) -> str:
    async with wired.ports().command_hosts().connect(account) as session:
        result = await session.run("true", timeout_s=_RUN_S)
    if result.exit_code == 0:
        return "Signed in and ran a command."
    return f"Signed in; commands end with {result.exit_code}."


def _tell(target_id: int, told: str, key: str) -> None:
    SshTarget.objects.filter(pk=target_id).update(
        checked_at=datetime.now(UTC), check_told=told[:300], presented_key=key
    )
