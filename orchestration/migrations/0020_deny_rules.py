from django.db import migrations

# A folder that a system cannot do without, with or without everything in it.
_TOP = "bin|boot|dev|etc|home|lib|lib32|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|usr|var"
_BELOW = "usr/(?:bin|sbin|lib|lib32|lib64|local|share)|var/(?:lib|log|spool|cache|mail|backups)"
SYSTEM = (
    rf"(?:(?:/\*?|~[a-z_][a-z0-9_-]*|~|/(?:{_TOP}|{_BELOW}))(?:/?(?:\*|\.\*|\.\[!\.\]\*))?"
    r"|/(?:boot|dev|proc|sys|bin|sbin|lib|lib64|usr/bin|usr/sbin|usr/lib)/\S+)(?= |$)"
)
DISK = r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|mapper/|disk/|loop|root|block/)"
SHELL = r"(?:sh|bash|dash|ash|zsh|ksh|mksh|csh|tcsh|fish|python[0-9.]*|perl|ruby|node|php)"
FETCH = r"(?:curl|wget|fetch|aria2c|lwp-request|GET)"
HISTORY = r"\S*\.(?:bash|zsh|ash|sh|python|mysql|psql|node_repl)_?history"

# (reason, regular expressions searched for in each command and in the line as a whole)
RULES = [
    (
        "recursive delete of a system directory",
        rf"^rm (?=(?:.* )?(?:-[A-Za-z]*[rR][A-Za-z]*|--r[a-z]*)(?: |$))(?:.* )?{SYSTEM}",
        rf"^find (?:-[HLP] )*(?:.* )?{SYSTEM}.* (?:-delete|-exec(?:dir)? (?:\S*/)?(?:rm|shred))",
        rf"^(?:shred|srm|wipe) .*{SYSTEM}",
    ),
    (
        "making or wiping a file system",
        r"^mkfs(?:\.\S+)?(?: |$)",
        r"^(?:mke2fs|mkswap|mkdosfs|mkntfs|newfs|wipefs|blkdiscard)(?: |$)",
    ),
    ("writing to a device with dd", r"^dd (?:.* )?of=/dev/(?!null(?: |$)|stdout(?: |$))"),
    (
        "changing partitions",
        r"^(?:fdisk|sfdisk|cfdisk|gdisk|sgdisk|cgdisk|parted|gparted|partprobe|partx|kpartx"
        r"|lvremove|vgremove|pvremove)(?: |$)",
    ),
    ("fork bomb", r"(?:^| )(?:function )?(\S+) (?:\( \) )?\{ (?:.* )?\1 \|&? \1(?= |$)"),
    (
        "writing to a disk",
        rf"(?:&?>>?[|&]?|<>) ?{DISK}",
        rf"^(?:tee|cp|mv|install|truncate|shred|cat|sponge|rsync) (?:.* )?{DISK}",
    ),
    (
        "stopping the host",
        r"^(?:shutdown|reboot|halt|poweroff|kexec)(?: |$)",
        r"^(?:init|telinit) [06](?: |$)",
        r"^systemctl (?:.* )?(?:halt|poweroff|reboot|kexec|rescue|emergency|soft-reboot"
        r"|(?:isolate|start) (?:halt|poweroff|reboot|rescue|emergency)\S*)(?: |$)",
        r"^loginctl (?:.* )?(?:poweroff|reboot|halt)(?: |$)",
        r"(?:&?>>?[|&]?|tee(?: -a)?) ?/proc/sysrq-trigger",
    ),
    (
        "changing modes or owners of the whole system",
        r"^(?:chmod|chown|chgrp|setfacl) "
        r"(?=(?:.* )?(?:-[A-Za-z]*R[A-Za-z]*|--recursi?v?e?)(?: |$))"
        rf"(?:.* )?{SYSTEM}",
    ),
    (
        "running what was just downloaded",
        rf"(?:^| ){FETCH} .*\|&? (?:\S+ )*?(?:\S*/)?{SHELL}(?: |$)",
        rf"(?:^| )(?:{SHELL}|eval|source|\.) (?:.* )?(?:\$\(|<\() (?:\S+ )*?{FETCH} ",
    ),
    (
        "clearing logs",
        r"(?:^|; |&& |\|\| |: )(?:&?>[|&]?) ?/var/log/\S",
        r"(?<!>)(?<!& )&?>[|&]? /var/log/(?:\S*/)?"
        r"(?:syslog|messages|auth\.log|secure|wtmp|btmp|lastlog|kern\.log|audit\.log)",
        r"^(?:truncate|shred) (?:.* )?/var/log(?:/|$| )",
        r"^rm (?:.* )?/var/log/(?:\*|\S*(?:syslog|messages|auth\.log|secure|wtmp|btmp|lastlog"
        r"|kern\.log|audit|journal)\S*)(?= |$)",
        r"^journalctl (?:.* )?--(?:vacuum|rotate|flush)",
        r"^dmesg (?:.* )?(?:-[A-Za-z]*[cC]|--clear|--read-clear)",
        r"^(?:cp|tee|dd|ln) (?:.* )?(?:if=)?/dev/null (?:.* )?(?:of=)?/var/log/",
        r"^(?:wevtutil|utmpdump -r)(?: |$)",
    ),
    (
        "clearing the history of commands",
        r"^history (?:.* )?-[a-z]*[cdw]",
        rf"^(?:rm|shred|truncate|unlink|ln|cp|tee) (?:.* )?{HISTORY}",
        rf"(?:&?>[|&]?) ?{HISTORY}",
        r"^(?:unset|export|set) (?:.* )?HIST(?:FILE|SIZE|FILESIZE)",
    ),
]


def add_rules(apps, schema_editor):
    rule = apps.get_model("orchestration", "CommandRule")
    rule.objects.bulk_create(
        rule(reason=reason, pattern=pattern) for reason, *patterns in RULES for pattern in patterns
    )


def remove_rules(apps, schema_editor):
    # Those that operators changed or added go with the table.
    apps.get_model("orchestration", "CommandRule").objects.filter(
        pattern__in=[pattern for _, *patterns in RULES for pattern in patterns]
    ).delete()


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0019_ssh_targets")]

    operations = [migrations.RunPython(add_rules, remove_rules)]
