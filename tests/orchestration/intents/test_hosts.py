"""Commands on a real host by intents and by a model, over POST /orchestrate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agents_cfg.selectors.fresh import fresh
from orchestration.models import SshAudit, SshTarget
from taskmapr.foundation.http import breakers
from taskmapr.users.models import User
from tests.orchestration.intents.conftest import Call
from tests.orchestration.ssh_hosts import rules_restored, web1
from tests.sshd import Sshd


@pytest.fixture(autouse=True)
def host(sshd: Sshd, ada: User, redis_url: str) -> Iterator[SshTarget]:
    """`web1`, Ada's; with the rules that a new database has."""
    breakers.forget()
    rules_restored()
    target = web1(sshd, ada, agent_may_use=True)
    fresh.clear()
    yield target
    fresh.clear()


@pytest.fixture
def peek(orchestrate: Call) -> Call:
    def look(command: str) -> Any:
        return orchestrate("ssh.exec.peek", {"host": "web1", "command": command})

    return look


@pytest.mark.req("IN-S7")
def test_commands_that_only_read_run(peek: Call, sshd: Sshd) -> None:
    log = sshd.folder / "syslog"
    log.write_text("".join(f"line {n}\n" for n in range(80)))

    disks = peek("df -h")
    tail = peek(f"tail -n 50 {log}")

    assert (disks.status, disks.json["mode"], disks.json["result"]["exit_code"]) == (
        200,
        "agent",
        0,
    )
    assert disks.json["result"]["stdout"].startswith("Filesystem")
    assert tail.json["result"]["stdout"] == "".join(f"line {n}\n" for n in range(30, 80))


@pytest.mark.req("IN-S7")
@pytest.mark.parametrize(
    "command",
    [
        "ls; rm {folder}/kept",
        "cat /etc/shadow",
        "cat {folder}/../../etc/shadow",
        "tail -f {folder}/kept",
        "ls $(id)",
        "find / -delete",
        "/bin/sh",
        "ls\nrm {folder}/kept",
        "cat {folder}/to-shadow",
    ],
)
def test_commands_that_might_do_more_are_refused(peek: Call, sshd: Sshd, command: str) -> None:
    kept, trap = sshd.folder / "kept", sshd.folder / "to-shadow"
    kept.write_text("kept\n")
    trap.unlink(missing_ok=True)
    trap.symlink_to("/etc/shadow")

    refused = peek(command.format(folder=sshd.folder))

    assert (refused.status, refused.json["code"]) == (403, "command_not_allowed")
    assert refused.json["details"]["reason"]
    assert kept.read_text() == "kept\n"
    (call,) = SshAudit.objects.all()
    assert (call.decision, call.error_code) == ("refused", "command_not_allowed")


@pytest.mark.req("IN-S19", "IN-17", "IN-21")
def test_a_command_of_a_model_is_only_told(orchestrate: Call, sshd: Sshd, settings: Any) -> None:
    # The first one in a process loads the agent loop.
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 25}
    touched = sshd.folder / "touched"
    args = {"host": "web1", "command": f"touch {touched}", "confirm_dangerous": True}

    prompt = f"call ssh.exec {json.dumps(args)}"
    answer = orchestrate("agent.ask", {"prompt": prompt, "tools": ["ssh.exec"]})

    assert answer.status == 200, answer.json
    assert answer.json["result"]["tools"] == ["ssh.exec"]
    (call,) = SshAudit.objects.all()
    assert (call.decision, call.is_models_choice, call.exit_code) == ("dry_run", True, None)
    assert not touched.exists()
