"""The commands that only read, and the options with which they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestration.targets.ssh_peek_grammar import (
    NUMBER,
    Adding,
    Forms,
    Grammar,
    Parse,
    Verbs,
    at_most,
    exactly,
    matching,
)

#: Lines of the journal and of a container at most, and when nothing is said.
MOST_LINES: Final = 1000
LINES: Final = "200"

_NAME: Final = matching(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
#: No slash: systemd would take it for a place where something is mounted.
_UNIT: Final = matching(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}")
_CONTAINER: Final = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
#: A sign only before a digit: `-n` is an option.
_TIME: Final = matching(r"([+-]?[0-9]|[A-Za-z])[A-Za-z0-9 :.+-]{0,39}")
_PRIORITY: Final = matching(r"[0-7]|emerg|alert|crit|err|warning|notice|info|debug")
#: The others print every field of an entry, the environment of a crashed process among them.
_OUTPUT: Final = matching(
    r"short(-iso|-iso-precise|-precise|-full|-monotonic|-unix|-delta)?|cat|with-unit"
)
_PIDS: Final = matching(r"[0-9]{1,8}(,[0-9]{1,8}){0,31}")
_COLUMNS: Final = matching(r"[A-Z][A-Z0-9:,%-]{0,120}")
_PS_WORDS: Final = (
    "pid|ppid|pgid|sid|tty|user|uid|group|gid|pcpu|pmem|vsz|rss|sz|stat|state|start|lstart|time"
    "|etime|etimes|comm|args|cmd|ni|pri|psr|nlwp|lwp|wchan|cls"
)
_PS_FORMAT: Final = matching(rf"({_PS_WORDS})(,({_PS_WORDS})){{0,31}}")


def _long(names: str) -> frozenset[str]:
    return frozenset(f"--{name}" for name in names.split())


_NO_ARGUMENT: Final = exactly()

_LS: Final = Grammar(
    flags="aAbBcCdFghiklmnNopqQrRsStuvUxX1",
    long_flags=_long(
        "all almost-all directory full-time group-directories-first human-readable inode"
        " numeric-uid-gid recursive reverse size"
    ),
    takes_paths=True,
)
_CAT: Final = Grammar(
    flags="AbeEnstTuv",
    long_flags=_long("show-all number number-nonblank squeeze-blank show-ends show-tabs"),
    takes_paths=True,
    fewest=1,
)
#: Not `-f`, `-F`, `--follow`, `--retry`, `--pid`: they wait for what comes.
_HEAD_AND_TAIL: Final = Grammar(
    flags="qv",
    long_flags=_long("quiet silent verbose"),
    valued={"-n": NUMBER, "-c": NUMBER, "--lines": NUMBER, "--bytes": NUMBER},
    has_count=True,
    takes_paths=True,
    fewest=1,
)
#: Not `--files0-from`, which reads names out of a file.
_WC: Final = Grammar(
    flags="clmwL",
    long_flags=_long("bytes chars lines words max-line-length"),
    takes_paths=True,
    fewest=1,
)
#: Not `-L`, which follows links.
_STAT: Final = Grammar(
    flags="ft", long_flags=_long("file-system terse"), takes_paths=True, fewest=1
)
#: Not `-f`, `-m` and `-C`, which read and write other files; `-z` starts programs.
_FILE: Final = Grammar(
    flags="biN", long_flags=_long("brief mime mime-type mime-encoding"), takes_paths=True, fewest=1
)
_DU: Final = Grammar(
    flags="abchkmsSx",
    long_flags=_long("all apparent-size bytes human-readable summarize total one-file-system"),
    valued={"-d": at_most(99), "--max-depth": at_most(99)},
    takes_paths=True,
)
_DF: Final = Grammar(
    flags="ahHiklmPT",
    long_flags=_long("all human-readable si inodes local portability print-type total"),
    takes_paths=True,
)
_FREE: Final = Grammar(
    flags="bhkmgtwl", long_flags=_long("bytes kibi mebi gibi human si lohi total wide")
)
_UNAME: Final = Grammar(
    flags="asnrvmpio",
    long_flags=_long("all kernel-name nodename kernel-release kernel-version machine"),
)
_ID: Final = Grammar(
    flags="ugGnr", long_flags=_long("user group groups name real"), operand=_NAME, most=1
)
_DATE: Final = Grammar(
    flags="uI",
    long_flags=_long("utc universal"),
    operand=matching(r"\+[A-Za-z0-9%:/., _+-]{1,64}"),
    most=1,
)
#: A dash before letters that procps cannot read as options makes it read them as BSD's, where `e`
#: shows the environment; so `-e` stands alone or in these words, and nothing follows it.
_PS: Final = Forms(
    forms=(
        Grammar(flags="AfFlw", valued={"-p": _PIDS, "-o": _PS_FORMAT}),
        Grammar(operand=matching(r"[auxfw]{1,8}"), most=1),
        *(exactly(words) for words in ("-e", "-ef", "-eF")),
    )
)
#: Not `-K`, `-D`, `-F`, `-N`; `-E` waits for what comes, `-r` asks name servers.
_SS: Final = Grammar(
    flags="tuwxlanpeimosH460",
    long_flags=_long(
        "tcp udp raw unix listening all numeric processes extended info memory options summary"
        " no-header ipv4 ipv6"
    ),
)
_IP: Final = Verbs(
    before=frozenset({"-br", "-brief"}),
    verbs=dict.fromkeys(("addr", "link", "route"), exactly("show")),
)
_LSBLK: Final = Grammar(
    flags="abdfilmnptJ",
    long_flags=_long("all bytes nodeps fs list perms noheadings paths topology json"),
    valued={"-o": _COLUMNS, "--output": _COLUMNS},
)
_LSCPU: Final = Grammar(flags="Jy", long_flags=_long("json"))
_LSOF: Final = Grammar(flags="nPUtw", valued={"-p": _PIDS, "-u": _NAME})
_NPROC: Final = Grammar(long_flags=_long("all"))
#: With two numbers it looks so often, so many seconds apart; with one it never ends.
_VMSTAT: Final = Forms(
    forms=(
        Grammar(flags="adfmsw"),
        Grammar(flags="adw", operand=at_most(10), fewest=2, most=2),
    )
)
_UNITS: Final = Grammar(long_flags=_long("no-pager"), operand=_UNIT)
_SYSTEMCTL: Final = Adding(
    parse=Verbs(
        before=_long("no-pager"),
        verbs=dict.fromkeys(
            ("status", "is-active", "is-enabled", "is-failed", "list-units"), _UNITS
        ),
    ),
    missing={("--no-pager",): ("--no-pager",)},
)
_JOURNALCTL: Final = Adding(
    parse=Grammar(
        long_flags=_long("no-pager"),
        valued={
            "-u": _UNIT,
            "-n": at_most(MOST_LINES),
            "-p": _PRIORITY,
            "-o": _OUTPUT,
            "--since": _TIME,
            "--until": _TIME,
        },
    ),
    missing={("--no-pager",): ("--no-pager",), ("-n",): ("-n", LINES)},
)
_LOGS: Final = Adding(
    parse=Grammar(
        flags="t",
        long_flags=_long("timestamps"),
        valued={
            "--tail": at_most(MOST_LINES),
            "-n": at_most(MOST_LINES),
            "--since": _TIME,
            "--until": _TIME,
        },
        operand=_CONTAINER,
        fewest=1,
        most=1,
    ),
    missing={("--tail", "-n"): ("--tail", LINES)},
)
#: Without it, it goes on for ever.
_STATS: Final = Grammar(
    long_flags=_long("no-stream no-trunc"), needed="--no-stream", operand=_CONTAINER
)
_DOCKER: Final = Verbs(
    verbs={
        "ps": Grammar(flags="aqls", long_flags=_long("all quiet latest size no-trunc")),
        "images": Grammar(flags="aq", long_flags=_long("all quiet digests no-trunc")),
        "logs": _LOGS,
        "stats": _STATS,
        "version": _NO_ARGUMENT,
    }
)

COMMANDS: Final[Mapping[str, Parse]] = {
    "ls": _LS,
    "cat": _CAT,
    "head": _HEAD_AND_TAIL,
    "tail": _HEAD_AND_TAIL,
    "wc": _WC,
    "stat": _STAT,
    "file": _FILE,
    "du": _DU,
    "df": _DF,
    "free": _FREE,
    "uptime": Grammar(flags="ps", long_flags=_long("pretty since")),
    "uname": _UNAME,
    "whoami": _NO_ARGUMENT,
    "id": _ID,
    "groups": Grammar(operand=_NAME, most=1),
    "hostname": Forms(forms=(_NO_ARGUMENT, exactly("-f"), exactly("-I"))),
    "date": _DATE,
    "pwd": _NO_ARGUMENT,
    "ps": _PS,
    "ss": _SS,
    "ip": _IP,
    "lsblk": _LSBLK,
    "lscpu": _LSCPU,
    "lsof": _LSOF,
    "nproc": _NPROC,
    "vmstat": _VMSTAT,
    "systemctl": _SYSTEMCTL,
    "journalctl": _JOURNALCTL,
    "docker": _DOCKER,
}
