"""Hosts for commands in the admin."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

import pytest
from django.test import Client

from orchestration.models import CommandRule, SshAudit, SshDecision, SshTarget
from orchestration.selectors.ssh import deny_patterns, ssh_target_named
from orchestration.services.ssh_checks import ssh_check_run
from tests.orchestration.admin.conftest import staff_in
from tests.orchestration.ssh_hosts import rules_restored, web1_key
from tests.sshd import Sshd, new_key, public

TARGETS = "/admin/orchestration/sshtarget/"
RULES = "/admin/orchestration/commandrule/"
AUDIT = "/admin/orchestration/sshaudit/"
CHECK = f"{RULES}check/"


@pytest.fixture
def root(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture(autouse=True)
def rules(db: None) -> None:
    rules_restored()


def given(**changes: Any) -> dict[str, Any]:
    return {
        "alias": "web1",
        "is_enabled": "on",
        "address": "web1.example.org",
        "port": "22",
        "user": "looker",
        "key_secret": "web1-key",
        "host_keys": f"web1.example.org {public(new_key())} a comment",
        "allows_peek": "on",
        "is_for_everybody": "on",
        "path_prefixes": "/var/log",
        **changes,
    }


@pytest.fixture
def key(sshd: Sshd, db: None) -> None:
    web1_key(sshd)


@pytest.mark.req("IN-47", "IN-48")
def test_a_target_that_is_saved_holds_at_once(
    root: Client, key: None, django_capture_on_commit_callbacks: Any
) -> None:
    assert ssh_target_named("web1") is None

    with django_capture_on_commit_callbacks(execute=True):
        saved = root.post(f"{TARGETS}add/", given())

    assert saved.status_code == 302
    known = ssh_target_named("web1")
    assert known is not None
    assert known.row.host_keys[0].startswith("ssh-ed25519 AAAA")
    assert "comment" not in known.row.host_keys[0]
    assert "web1" in root.get(TARGETS).content.decode()


@pytest.mark.req("IN-47")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"alias": "-x"}, "takes letters"),
        ({"address": "a b"}, "is a name or an IP address"),
        ({"address": "root@web1"}, "is a name or an IP address"),
        ({"user": "root;id"}, "is the name of an account"),
        ({"host_keys": ""}, "needs at least one key"),
        ({"host_keys": "nonsense"}, "takes public keys"),
        ({"path_prefixes": "/"}, "too much"),
        ({"path_prefixes": "/srv/../etc"}, "absolute paths"),
        ({"key_secret": "gone"}, "there is no such secret"),
    ],
)
def test_a_target_that_cannot_be_is_refused_beside_its_field(
    root: Client, key: None, changes: dict[str, Any], problem: str
) -> None:
    answer = root.post(f"{TARGETS}add/", given(**changes))

    assert problem in answer.content.decode()
    assert not SshTarget.objects.exists()


@pytest.mark.req("IN-48")
def test_a_rule_that_is_saved_holds_at_once(
    root: Client, django_capture_on_commit_callbacks: Any
) -> None:
    before = len(deny_patterns())

    with django_capture_on_commit_callbacks(execute=True):
        root.post(
            f"{RULES}add/",
            {"reason": "opening the firewall", "pattern": "^iptables -F", "is_enabled": "on"},
        )

    assert len(deny_patterns()) == before + 1


@pytest.mark.req("IN-47")
@pytest.mark.parametrize("pattern", ["(", ".*", "x|"])
def test_a_rule_that_is_none_is_refused(root: Client, pattern: str) -> None:
    answer = root.post(f"{RULES}add/", {"reason": "r", "pattern": pattern, "is_enabled": "on"})

    assert answer.status_code == 200
    assert not CommandRule.objects.filter(pattern=pattern).exists()


@pytest.mark.req("IN-47")
def test_checking_a_command_shows_both_decisions_and_the_rule(root: Client) -> None:
    page = root.post(CHECK, {"command": "sudo rm -rf //"}).content.decode()

    assert "is not one that only reads" in page
    assert "recursive delete of a system directory" in page
    assert "rm -rf /" in page

    page = root.post(CHECK, {"command": "tail -n 5 '/var/log/a b'"}).content.decode()
    assert "not denied" in page
    assert "tail -n 5 &#x27;/var/log/a b&#x27;" in page
    assert not SshAudit.objects.exists()


@pytest.mark.req("IN-47")
def test_checking_a_command_needs_the_permission(client: Client) -> None:
    assert staff_in(client, "view_run").post(CHECK, {"command": "ls"}).status_code == 403


@pytest.mark.req("IN-21", "IN-47")
def test_the_audit_can_be_looked_through_and_not_changed(root: Client) -> None:
    row = SshAudit.objects.create(
        principal="key:1",
        tool="ssh.exec",
        target="web1",
        command="uptime",
        decision=SshDecision.REFUSED,
        reasons=["<b>because</b>"],
    )
    SshAudit.objects.create(
        principal="key:2", tool="ssh.exec.peek", target="db1", command="df -h", decision="allowed"
    )

    page = root.get(f"{AUDIT}?q=uptime").content.decode()

    assert "uptime" in page
    assert "df -h" not in page
    assert "&lt;b&gt;because" in page
    assert "df -h" in root.get(f"{AUDIT}?decision__exact=allowed").content.decode()
    assert root.post(f"{AUDIT}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.get(f"{AUDIT}add/").status_code == 403


# The test of a connection ------------------------------------------------------------------------


def _submit(work: Coroutine[Any, Any, Any]) -> Future[Any]:
    done: Future[Any] = Future()
    try:
        done.set_result(asyncio.run(work))
    except Exception as error:
        done.set_exception(error)
    return done


@pytest.fixture
def target(sshd: Sshd, key: None) -> SshTarget:
    return SshTarget.objects.create(
        alias="web1",
        address="127.0.0.1",
        port=sshd.port,
        user=sshd.user,
        key_secret="web1-key",
        host_keys=[sshd.host_key],
    )


@pytest.mark.req("IN-18", "IN-47")
def test_a_test_of_the_connection_signs_in(root: Client, target: SshTarget, sshd: Sshd) -> None:
    ssh_check_run(target_id=target.pk, submit=_submit)

    target.refresh_from_db()
    assert target.check_told == "Signed in and ran a command."
    assert target.presented_key == sshd.host_key
    page = root.get(f"{TARGETS}{target.pk}/change/").content.decode()
    assert "SHA256:" in page
    assert "not pinned" not in page


@pytest.mark.req("IN-18", "IN-47")
def test_a_key_that_is_not_pinned_is_shown_and_not_trusted(
    root: Client, target: SshTarget, sshd: Sshd
) -> None:
    pinned = [public(new_key())]
    SshTarget.objects.update(host_keys=pinned)

    ssh_check_run(target_id=target.pk, submit=_submit)

    target.refresh_from_db()
    assert "not pinned" in target.check_told
    assert (target.presented_key, target.host_keys) == (sshd.host_key, pinned)
    assert "not pinned: compare it" in root.get(f"{TARGETS}{target.pk}/change/").content.decode()


@pytest.mark.req("IN-47")
def test_a_host_that_is_away_is_told(target: SshTarget) -> None:
    SshTarget.objects.update(port=1)

    ssh_check_run(target_id=target.pk, submit=_submit)

    target.refresh_from_db()
    assert "cannot be reached" in target.check_told


@pytest.mark.req("IN-47")
def test_the_action_asks_a_worker(root: Client, target: SshTarget, ports: Any, queue: Any) -> None:
    root.post(TARGETS, {"action": "check_now", "_selected_action": [target.pk]})

    assert queue.jobs == [("orchestration.ssh_target_check", (target.pk,), "chores")]
