"""The tools that run commands on hosts: who may, what is refused, what the audit has of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents_cfg.models import Secret
from agents_cfg.selectors.fresh import fresh
from orchestration.models import SshAudit, SshDecision, SshTarget
from orchestration.services.ssh_targets import ssh_target_save
from orchestration.tools.ssh import register
from taskmapr.core.errors import (
    CircuitOpen,
    CommandDenied,
    CommandNotAllowed,
    HostKeyMismatch,
    HostNotAllowed,
    InvalidInput,
    NotConfigured,
    SshUnreachable,
    TimedOut,
)
from taskmapr.core.ids import uuid7
from taskmapr.core.tools import ToolContext, ToolRegistry
from taskmapr.users.models import User
from tests.orchestration.ssh_hosts import rules_restored, web1
from tests.sshd import Sshd, new_key, public

TOOLS = ToolRegistry()
register(TOOLS)
EXEC, PEEK = "ssh.exec", "ssh.exec.peek"


@pytest.fixture(autouse=True)
def rules(db: None, redis_url: str) -> Iterator[None]:
    fresh.clear()
    rules_restored()
    yield
    fresh.clear()


@pytest.fixture
def target(sshd: Sshd, ada: User) -> SshTarget:
    return web1(sshd, ada, path_prefixes=[str(sshd.folder), "/proc/loadavg"])


def asked(user: User, tool: str, /, is_models_choice: bool = False, **args: Any) -> Any:
    """What the tool answers, called as runs call it."""
    spec = TOOLS.get(tool)
    assert spec is not None
    given = {"host": "web1", **args}
    spec.check(given)
    context = ToolContext(
        run_id=str(uuid7()),
        call_id="c1",
        user_id=str(user.pk),
        session_id=None,
        is_models_choice=is_models_choice,
    )
    return async_to_sync(spec.handler)(context, given)


def confirmed(user: User, line: str, /, **args: Any) -> Any:
    return asked(user, EXEC, command=line, confirm_dangerous=True, **args)


def last_call() -> SshAudit:
    row = SshAudit.objects.first()
    assert row is not None
    return row


# Dry runs ----------------------------------------------------------------------------------------


@pytest.mark.req("IN-17")
@pytest.mark.parametrize(
    "args", [{}, {"confirm_dangerous": False}, {"confirm_dangerous": True, "dry_run": True}]
)
def test_without_a_confirmation_nothing_is_contacted(ada: User, args: dict[str, Any]) -> None:
    answer = asked(ada, EXEC, host="server.com", command="rm -rf /", **args)

    assert answer == {
        "dry_run": True,
        "note": "Set confirm_dangerous=true",
        "host": "server.com",
        "command": "rm -rf /",
        "read_only": False,
        "denied": True,
        "reasons": ["recursive delete of a system directory"],
    }
    assert last_call().decision == SshDecision.DRY_RUN


@pytest.mark.req("IN-17")
def test_a_dry_run_tells_a_command_that_only_reads(ada: User) -> None:
    answer = asked(ada, EXEC, command="df -h")

    assert (answer["read_only"], answer["denied"], answer["reasons"]) == (True, False, [])


@pytest.mark.req("IN-17")
@pytest.mark.parametrize(
    "args",
    [
        {"confirm_dangerous": "true"},
        {"confirm_dangerous": 1},
        {"timeout_s": 121},
        {"timeout_s": 0},
        {"password": "x"},
        {"command": ""},
        {"command": "x" * 4097},
    ],
)
def test_other_inputs_are_invalid(ada: User, args: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        asked(ada, EXEC, **{"command": "true", **args})


# Who may, and where ------------------------------------------------------------------------------


@pytest.mark.req("IN-18", "IN-21")
def test_a_host_that_nobody_registered_is_refused(ada: User) -> None:
    with pytest.raises(HostNotAllowed):
        confirmed(ada, "true", host="elsewhere")

    call = last_call()
    assert (call.decision, call.error_code, call.target) == (
        SshDecision.REFUSED,
        "host_not_allowed",
        "elsewhere",
    )


@pytest.mark.req("IN-18")
def test_a_host_of_others_is_refused_like_one_that_is_not_there(
    target: SshTarget, cyd: User
) -> None:
    with pytest.raises(HostNotAllowed) as others:
        confirmed(cyd, "true")
    with pytest.raises(HostNotAllowed) as nobodys:
        confirmed(cyd, "true", host="web2")

    assert others.value.detail == nobodys.value.detail.replace("web2", "web1")


@pytest.mark.req("IN-18")
def test_everybody_may_use_a_host_that_is_for_everybody(target: SshTarget, cyd: User) -> None:
    target.is_for_everybody = True
    ssh_target_save(target=target, by="root")
    fresh.clear()

    assert confirmed(cyd, "echo hi")["stdout"] == "hi\n"


@pytest.mark.req("IN-18")
@pytest.mark.parametrize(
    ("change", "tool"),
    [({"is_enabled": False}, EXEC), ({"allows_exec": False}, EXEC), ({"allows_peek": False}, PEEK)],
)
def test_what_a_target_does_not_allow_is_refused(
    target: SshTarget, ada: User, change: dict[str, Any], tool: str
) -> None:
    SshTarget.objects.update(**change)
    fresh.clear()

    with pytest.raises(HostNotAllowed):
        asked(ada, tool, command="uptime", **({"confirm_dangerous": True} if tool == EXEC else {}))


@pytest.mark.req("IN-18")
def test_another_account_of_the_host_is_refused(target: SshTarget, ada: User) -> None:
    with pytest.raises(HostNotAllowed):
        confirmed(ada, "true", user="somebody")

    assert confirmed(ada, "true", user=target.user)["exit_code"] == 0


@pytest.mark.req("IN-21")
@pytest.mark.parametrize("tool", [EXEC, PEEK])
def test_a_model_needs_the_flag_of_the_target(target: SshTarget, ada: User, tool: str) -> None:
    args = {"command": "cat /proc/loadavg"} | ({"confirm_dangerous": True} if tool == EXEC else {})

    with pytest.raises(HostNotAllowed):
        asked(ada, tool, is_models_choice=True, **args)
    SshTarget.objects.update(agent_may_use=True)
    fresh.clear()

    assert asked(ada, tool, is_models_choice=True, **args)["exit_code"] == 0
    assert last_call().is_models_choice


# Running -----------------------------------------------------------------------------------------


@pytest.mark.req("IN-18", "IN-21")
def test_a_confirmed_command_runs_and_is_in_the_audit(target: SshTarget, ada: User) -> None:
    answer = confirmed(ada, "echo out; echo err >&2; exit 3")

    assert answer.pop("duration_ms") >= 0
    assert answer == {
        "host": "web1",
        "command": "echo out; echo err >&2; exit 3",
        "exit_code": 3,
        "stdout": "out\n",
        "stderr": "err\n",
        "truncated": False,
    }
    call = last_call()
    assert (call.decision, call.exit_code, call.error_code) == (SshDecision.ALLOWED, 3, "")
    assert (call.principal, call.user_id, call.tool) == (f"user:{ada.pk}", ada.pk, EXEC)
    assert call.duration_ms is not None
    target.refresh_from_db()
    assert target.last_used_at is not None


@pytest.mark.req("IN-19")
def test_a_denied_command_is_refused_even_when_confirmed(target: SshTarget, ada: User) -> None:
    for host in ("web1", "server.com"):
        with pytest.raises(CommandDenied) as raised:
            confirmed(ada, "rm -rf /", host=host)

        assert raised.value.details["reasons"] == ["recursive delete of a system directory"]
        assert last_call().decision == SshDecision.REFUSED


@pytest.mark.req("IN-18")
def test_an_unexpected_host_key_is_a_mismatch_every_time(target: SshTarget, ada: User) -> None:
    SshTarget.objects.update(host_keys=[public(new_key())])
    fresh.clear()

    for _ in range(7):  # more than a breaker would bear
        with pytest.raises(HostKeyMismatch):
            confirmed(ada, "true")
    assert last_call().error_code == "host_key_mismatch"


@pytest.mark.req("IN-18", "IN-31")
def test_a_host_that_is_down_is_left_alone_after_a_while(target: SshTarget, ada: User) -> None:
    SshTarget.objects.update(port=1)
    fresh.clear()

    for _ in range(5):
        with pytest.raises(SshUnreachable):
            confirmed(ada, "true")
    with pytest.raises(CircuitOpen) as raised:
        confirmed(ada, "true")

    assert "Retry-After" in raised.value.headers
    assert last_call().error_code == "circuit_open"


@pytest.mark.req("IN-18")
def test_a_command_that_takes_too_long_is_timed_out(target: SshTarget, ada: User) -> None:
    with pytest.raises(TimedOut):
        confirmed(ada, "sleep 600", timeout_s=1)

    assert last_call().error_code == "timed_out"


@pytest.mark.req("IN-18")
def test_a_target_whose_secret_is_gone_is_not_configured(target: SshTarget, ada: User) -> None:
    Secret.objects.all().delete()

    with pytest.raises(NotConfigured):
        confirmed(ada, "true")


@pytest.mark.req("IN-20")
def test_secrets_are_masked_in_outputs_and_in_the_audit(target: SshTarget, ada: User) -> None:
    answer = confirmed(ada, "echo DB_PASSWORD=hunter2 # --token abc123")

    assert answer["stdout"] == "DB_PASSWORD=[masked]\n"
    assert "hunter2" not in last_call().command
    assert "abc123" not in last_call().command


# Looking -----------------------------------------------------------------------------------------


@pytest.mark.req("IN-20", "IN-21")
def test_a_look_needs_no_confirmation(target: SshTarget, ada: User, sshd: Sshd) -> None:
    (sshd.folder / "app log").write_text("one\ntwo\n")

    answer = asked(ada, PEEK, command=f"tail -n 1 '{sshd.folder}/app log'")

    assert (answer["stdout"], answer["exit_code"]) == ("two\n", 0)
    assert (last_call().tool, last_call().exit_code) == (PEEK, 0)


@pytest.mark.req("IN-20")
@pytest.mark.parametrize("command", ["ls; rm x", "cat /etc/shadow", "tail -f /x", "ls\nid", "sh"])
def test_a_look_that_might_do_more_is_refused_with_the_reason(
    target: SshTarget, ada: User, command: str
) -> None:
    with pytest.raises(CommandNotAllowed) as raised:
        asked(ada, PEEK, command=command)

    assert raised.value.details["reason"]
    assert last_call().reasons == [raised.value.details["reason"]]


@pytest.mark.req("IN-20", "IN-21")
@pytest.mark.parametrize("leads_to", ["/etc/shadow", "/etc/hostname", "/dev/null", "/"])
def test_a_link_that_leads_out_is_a_trap(
    target: SshTarget, ada: User, sshd: Sshd, leads_to: str
) -> None:
    link = sshd.folder / "trap"
    link.unlink(missing_ok=True)
    link.symlink_to(leads_to)

    with pytest.raises(CommandNotAllowed) as raised:
        asked(ada, PEEK, command=f"cat {link}")

    call = last_call()
    assert (call.decision, call.error_code) == (SshDecision.REFUSED, "command_not_allowed")
    assert call.reasons == [raised.value.details["reason"]]


@pytest.mark.req("IN-20")
def test_a_link_that_stays_inside_is_followed(target: SshTarget, ada: User, sshd: Sshd) -> None:
    (sshd.folder / "real").write_text("real\n")
    (sshd.folder / "alias").unlink(missing_ok=True)
    (sshd.folder / "alias").symlink_to(sshd.folder / "real")

    assert asked(ada, PEEK, command=f"cat {sshd.folder}/alias")["stdout"] == "real\n"


@pytest.mark.req("IN-20")
def test_a_prefix_may_be_a_link_that_the_host_made(
    target: SshTarget, ada: User, sshd: Sshd
) -> None:
    (sshd.folder / "release").write_text("NAME=x\n")
    link = sshd.folder.parent / "os-release"
    link.unlink(missing_ok=True)
    link.symlink_to(sshd.folder / "release")
    SshTarget.objects.update(path_prefixes=[str(link)])
    fresh.clear()

    assert asked(ada, PEEK, command=f"cat {link}")["stdout"] == "NAME=x\n"


@pytest.mark.req("IN-20")
def test_a_pipe_is_not_read(target: SshTarget, ada: User, sshd: Sshd) -> None:
    pipe = sshd.folder / "pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)

    with pytest.raises(CommandNotAllowed, match="pipe"):
        asked(ada, PEEK, command=f"cat {pipe}")


@pytest.mark.req("IN-20")
def test_a_name_with_every_odd_character_is_only_a_name(
    target: SshTarget, ada: User, sshd: Sshd
) -> None:
    odd = sshd.folder / "a$(touch x)'; id"
    odd.write_text("odd\n")
    link = sshd.folder / "plain"
    link.unlink(missing_ok=True)
    link.symlink_to(odd)

    assert asked(ada, PEEK, command=f"cat {link}")["stdout"] == "odd\n"
    assert not (sshd.folder / "x").exists()
