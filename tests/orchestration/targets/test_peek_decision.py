"""Which command lines are taken for ones that only read."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.models.ssh import PATH_PREFIXES
from orchestration.targets.ssh_paths import path_problem
from orchestration.targets.ssh_peek import Allowed, Refused, peek_decision
from orchestration.targets.ssh_peek_commands import COMMANDS

#: As written → as it is sent.
ALLOWED = {
    "df -h": "df -h",
    "df -h /srv": "df -h /srv",
    "tail -n 50 /var/log/syslog": "tail -n 50 /var/log/syslog",
    "tail -n50 '/var/log/my app.log'": "tail -n50 '/var/log/my app.log'",
    "tail -20 /var/log/syslog": "tail -20 /var/log/syslog",
    "tail --lines=+0 /var/log/syslog": "tail --lines=+0 /var/log/syslog",
    "head -c 100 /etc/os-release": "head -c 100 /etc/os-release",
    "cat /proc/loadavg": "cat /proc/loadavg",
    "cat -n /srv/app/config.yml": "cat -n /srv/app/config.yml",
    "ls": "ls",
    "ls -lah /var/log": "ls -lah /var/log",
    "wc -l /var/log/syslog": "wc -l /var/log/syslog",
    "stat /opt/app": "stat /opt/app",
    "file -b /opt/app": "file -b /opt/app",
    "du -sh --max-depth=1 /srv": "du -sh --max-depth=1 /srv",
    "free -m": "free -m",
    "uptime": "uptime",
    "uname -a": "uname -a",
    "whoami": "whoami",
    "id": "id",
    "id -un root": "id -un root",
    "groups": "groups",
    "hostname": "hostname",
    "hostname -f": "hostname -f",
    "hostname -I": "hostname -I",
    "date": "date",
    "date -u": "date -u",
    "date -I": "date -I",
    "date '+%Y-%m-%d %H:%M'": "date '+%Y-%m-%d %H:%M'",
    "pwd": "pwd",
    "ps": "ps",
    "ps aux": "ps aux",
    "ps -ef": "ps -ef",
    "ps -A -o pid,args": "ps -A -o pid,args",
    "ss -tulpn": "ss -tulpn",
    "ip addr show": "ip addr show",
    "ip -br link show": "ip -br link show",
    "ip route show": "ip route show",
    "lsblk -f": "lsblk -f",
    "lscpu": "lscpu",
    "lsof -nP": "lsof -nP",
    "nproc --all": "nproc --all",
    "vmstat 1 5": "vmstat 1 5",
    "systemctl status nginx.service": "systemctl --no-pager status nginx.service",
    "systemctl --no-pager is-active nginx": "systemctl --no-pager is-active nginx",
    "systemctl list-units --no-pager": "systemctl list-units --no-pager",
    "journalctl -u nginx": "journalctl --no-pager -n 200 -u nginx",
    "journalctl -n 1000 --no-pager": "journalctl -n 1000 --no-pager",
    "journalctl -p err --since '2 hours ago' -n5": (
        "journalctl --no-pager -p err --since '2 hours ago' -n5"
    ),
    "journalctl --since -1h": "journalctl --no-pager -n 200 --since -1h",
    "docker ps -a": "docker ps -a",
    "docker images": "docker images",
    "docker logs web-1": "docker logs --tail 200 web-1",
    "docker logs --tail=1000 --since 10m web": "docker logs --tail=1000 --since 10m web",
    "docker stats --no-stream": "docker stats --no-stream",
    "docker version": "docker version",
    "ls '/var/log'": "ls /var/log",
    '  df   -h "/srv" ': "df -h /srv",
    "cat /var/log//syslog": "cat /var/log//syslog",
}

#: Rule → lines that it refuses.
REFUSED = {
    "characters": (
        "ls; rm x",
        "ls $(id)",
        "ls `id`",
        "ls\nrm x",
        "ls\rrm x",
        "ls\trm",
        "ls\0",
        "ls && rm x",
        "ls | sh",
        "ls > /tmp/x",
        "ls < /etc/passwd",
        "cat /var/log/*",
        "cat /var/log/sys?og",
        "cat /var/log/[a]uth.log",
        "cat /var/log/{a,b}",
        "cat ~/x",
        "cat /var/log/x # y",
        "cat /var/log\\/x",
        "ls !!",
        "(ls)",
        "ls $HOME",
        "ls \x7f",
        "ls \u2044var\u2044log",
        "cat /var/log/\uff0e\uff0e/x",
        "l\u0455",
        "ls \u2010l",
        "ls " + "a" * 510,
    ),
    "quotes": ("cat '/var/log/x", 'cat "/var/log/x', "cat '/var/log/\"x"),
    "command": (
        "",
        "   ",
        "''",
        "/bin/sh",
        "/bin/ls /var/log",
        "./ls",
        "A=b ls",
        "PATH=/tmp ls",
        "find / -delete",
        "sudo ls",
        "env ls",
        "xargs ls",
        "awk 1 /var/log/x",
        "sed -n 1p /var/log/x",
        "sh -c ls",
        "bash",
        "python3 -c 1",
        "LS",
        "ls-l",
        "less /var/log/x",
        "vi /var/log/x",
        "rm x",
        "mount",
        "top",
    ),
    "options": (
        "tail -f /var/log/syslog",
        "tail -F /var/log/syslog",
        "tail -5f /var/log/syslog",
        "tail -n5f /var/log/syslog",
        "tail -qf /var/log/syslog",
        "tail --follow /var/log/syslog",
        "tail --follow=name /var/log/syslog",
        "tail --foll /var/log/syslog",
        "tail --retry /var/log/syslog",
        "tail /var/log/syslog -f",
        "tail -n 5 /var/log/syslog --pid=1",
        "cat",
        "cat -",
        "cat --",
        "head",
        "tail -n 5",
        "wc",
        "wc -l",
        "file",
        "stat",
        "cat -n",
        "wc --files0-from=/var/log/x",
        "du --files0-from=/var/log/x",
        "du -L /srv",
        "du -X /var/log/x",
        "du --exclude-from=/srv/x /srv",
        "file -f /var/log/x",
        "file -m /srv/magic /srv/x",
        "file -C -m /srv/magic",
        "file -z /srv/x.gz",
        "stat -c %n /srv",
        "stat --printf=x /srv",
        "stat -L /srv/x",
        "ls --color=always /srv",
        "ls -L /srv",
        "ls -I x",
        "ls --dereference",
        "date -s 2020-01-01",
        "date --set=2020-01-01",
        "date 010100002020",
        "date -f /var/log/x",
        "date -r /var/log/x",
        "date -d now",
        "date +%F +%T",
        "hostname newname",
        "hostname -F /etc/hostname",
        "hostname -b x",
        "hostname -fI",
        "ps e",
        "ps eww",
        "ps auxe",
        "ps auxeww",
        "ps -ef u",
        "ps -ef e",
        "ps -aux",
        "ps -auxe",
        "ps -eo pid,args",
        "ps -A -o environ",
        "ps -A -o pid,env",
        "ps axo pid",
        "ps -E",
        "ps aux e",
        "ip a",
        "ip addr",
        "ip addr add 10.0.0.1/8 dev eth0",
        "ip link set eth0 down",
        "ip addr show dev eth0",
        "ip netns exec x ls",
        "ip -n x addr show",
        "ip -b /srv/x",
        "ip -batch /srv/x",
        "ip route flush",
        "ip addr show -force",
        "ss -K",
        "ss -tK",
        "ss -D /tmp/x",
        "ss -F /srv/x",
        "ss -N x",
        "ss -E",
        "ss --kill",
        "ss dst 1.2.3.4",
        "lsblk /dev/sda",
        "lsblk -o name",
        "lscpu -s /srv",
        "lsof /srv/x",
        "lsof -D b",
        "lsof +D /srv",
        "lsof -r 1",
        "nproc --ignore=1",
        "vmstat 1",
        "vmstat 1 5 9",
        "vmstat 11 5",
        "vmstat -n 1 1",
        "free -s 1",
        "free -c 5",
        "uptime -x",
        "uname -z",
        "whoami --help",
        "id a b",
        "id ../x",
        "pwd -P",
        "systemctl",
        "systemctl show nginx",
        "systemctl cat nginx",
        "systemctl start nginx",
        "systemctl restart nginx",
        "systemctl status ../../",
        "systemctl status /dev/sda",
        "systemctl -H root@x status",
        "systemctl --host=x status nginx",
        "systemctl status -l nginx",
        "systemctl status --no-pager -- nginx",
        "systemctl list-units --root=/srv",
        "systemctl edit nginx",
        "journalctl -f",
        "journalctl --follow",
        "journalctl -n 1001",
        "journalctl -n1001",
        "journalctl -n 100000000",
        "journalctl -n all",
        "journalctl -n -5",
        "journalctl -n",
        "journalctl -o export",
        "journalctl -o json",
        "journalctl -o verbose",
        "journalctl -o export --root=/",
        "journalctl --root=/srv",
        "journalctl -D /srv",
        "journalctl --file=/srv/x",
        "journalctl --since -n",
        "journalctl --vacuum-size=1",
        "journalctl --rotate",
        "journalctl /usr/bin/x",
        "journalctl _PID=1",
        "journalctl -u ../x",
        "journalctl -b",
        "journalctl -M x",
        "docker",
        "docker exec web sh",
        "docker run x",
        "docker inspect web",
        "docker logs",
        "docker logs -f web",
        "docker logs -tf web",
        "docker logs --follow web",
        "docker logs --follow=true web",
        "docker logs --tail all web",
        "docker logs --tail 1001 web",
        "docker logs --tail=-1 web",
        "docker logs --since --details web",
        "docker logs --since '' web",
        "docker logs web db",
        "docker logs ../x",
        "docker -H tcp://x ps",
        "docker --host=tcp://x ps",
        "docker --config /srv ps",
        "docker ps --format x",
        "docker stats",
        "docker stats web",
        "docker version -f x",
        "ls --output=/srv/x",
    ),
    "paths": (
        "cat /etc/shadow",
        "cat /etc/shadow-",
        "cat /etc/passwd",
        "cat /etc/sudoers.d/x",
        "cat /var/log/../../etc/shadow",
        "cat /var/log/..",
        "cat /var/logs",
        "cat /var/log-old/x",
        "cat '/var/log /../x'",
        "cat relative",
        "cat ''",
        "ls ''",
        "ls .",
        "ls ..",
        "ls /",
        "ls //",
        "ls -l /proc/1/environ",
        "cat /proc/self/environ",
        "cat /proc/cpuinfo/../self/environ",
        "cat /srv/app/.env",
        "cat /srv/app/.env.local",
        "cat /srv/app/.ENV",
        "cat /srv/home/.ssh/authorized_keys",
        "ls /srv/home/.ssh",
        "ls /srv/home/.aws/",
        "cat /srv/home/.kube/config",
        "cat /srv/.gnupg/x",
        "cat /srv/tls/server.pem",
        "cat /srv/tls/server.key",
        "cat /srv/tls/SERVER.KEY",
        "cat /srv/id_rsa",
        "cat /srv/id_ed25519.pub",
        "stat /dev/sda",
        "cat /var/log/syslog /etc/shadow",
        "df /home",
        "du /root",
        "head -n 1 /etc/gshadow",
        "tail -n 5 /opt/../etc/shadow",
    ),
}
REFUSALS = [(line, rule) for rule, lines in REFUSED.items() for line in lines]


@pytest.mark.req("IN-20", "IN-49")
@pytest.mark.parametrize(("line", "sent"), ALLOWED.items())
def test_a_command_that_only_reads_is_allowed_and_quoted_again(line: str, sent: str) -> None:
    decision = peek_decision(line, PATH_PREFIXES)

    assert isinstance(decision, Allowed), decision
    assert decision.quoted == sent


@pytest.mark.req("IN-20", "IN-49")
@pytest.mark.parametrize(("line", "rule"), REFUSALS)
def test_anything_else_is_refused_with_its_rule(line: str, rule: str) -> None:
    decision = peek_decision(line, PATH_PREFIXES)

    assert isinstance(decision, Refused)
    assert decision.rule == rule
    assert decision.reason


@pytest.mark.req("IN-20")
def test_prefixes_of_a_host_replace_the_usual_ones() -> None:
    assert isinstance(peek_decision("cat /home/app/x", ["/home/app"]), Allowed)
    assert isinstance(peek_decision("cat /var/log/syslog", ["/home/app"]), Refused)


@pytest.mark.req("IN-20")
@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/dev/null",
        "/proc/1/environ",
        "/proc/1/task/1/mem",
        "/root/.ssh/x",
        "/etc/sudoers",
        "/x/.env/y",
        "/x/id_dsa",
        "/x/k.pem",
    ],
)
def test_some_files_are_refused_even_where_everything_may_be_read(path: str) -> None:
    assert path_problem(path, ["/"]) is not None


# What no list of cases finds ---------------------------------------------------------------------

_META = set(";&|<>$(){}[]*?~!#\\`\n\r\t")
_TEXT = r"""
-f -F -n 5 -5f -n1000 -n5000 --lines=3 --follow -o json -ef aux e -c --files0-from=x - -- -K -s
--root=/ addr show set status logs ps exec stats --no-stream --tail 99999 web -u nginx
/var/log/syslog /etc/shadow /var/log/../x /srv/.env /opt/x.pem /dev/sda /srv/a relative ' " ; |
$(id) `id` * ~ \ +%F 1 '/var/log/a b' -aF -tulpnK --since -1h -l -h -A
"""
_WORDS = st.sampled_from([*_TEXT.split(), "\u2010l", "\0"])
_SOME_TEXT = st.text(st.characters(min_codepoint=1, max_codepoint=300), max_size=12)
_LINES = st.one_of(
    st.builds(
        lambda name, words: " ".join([name, *words]),
        st.sampled_from([*COMMANDS, "find", "sh", "/bin/ls", "sudo"]),
        st.lists(
            st.one_of(_WORDS, _SOME_TEXT),
            max_size=6,
        ),
    ),
    st.text(max_size=80),
)
#: What changes something, waits for ever, or reads more than it should, wherever it stands.
_NEVER_SENT = {
    "tail": {"-f", "-F", "--follow", "--retry"},
    "ss": {"-K", "-D", "-F", "-E", "-N"},
    "file": {"-f", "-m", "-C"},
    "date": {"-s", "--set"},
    "docker": {"-f", "--follow", "exec", "run", "-H"},
    "journalctl": {"-f", "-D", "-M", "--root"},
}


@pytest.mark.req("IN-20", "IN-49")
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(_LINES)
def test_whatever_is_allowed_is_harmless(line: str) -> None:
    decision = peek_decision(line, PATH_PREFIXES)
    if isinstance(decision, Refused):
        return

    name, *rest = decision.argv
    assert name in COMMANDS
    assert shlex.split(decision.quoted) == list(decision.argv)
    assert not _META & set("".join(decision.argv))
    assert all(" " <= char <= "~" for char in "".join(decision.argv))
    assert all(path_problem(path, PATH_PREFIXES) is None for path in decision.paths)
    if name not in ("date", "docker", "journalctl"):
        # Nothing slips through as an operand that is a path and was not judged as one.
        assert all(word in decision.paths for word in rest if "/" in word)
    options = {word.partition("=")[0] for word in rest}
    assert not options & _NEVER_SENT.get(name, set())
    letters = {c for word in rest if word[:1] == "-" and word[:2] != "--" for c in word[1:]}
    assert not {f"-{c}" for c in letters} & _NEVER_SENT.get(name, set())
    if name == "ps":
        assert not any("e" in w for w in rest if w[:1] != "-" and "," not in w and len(rest) == 1)
    if name in ("journalctl", "docker"):
        _is_bounded(list(decision.argv))


def _is_bounded(argv: list[str]) -> None:
    """The journal and the log of a container say how many lines at most."""
    if argv[0] == "docker" and "logs" not in argv:
        return
    counts = [
        argv[at + 1] if word in ("-n", "--tail") else word.lstrip("-n").removeprefix("-tail=")
        for at, word in enumerate(argv)
        if word in ("-n", "--tail") or word.startswith(("--tail=", "-n"))
    ]
    assert counts
    assert all(count.isdigit() and int(count) <= 1000 for count in counts)
