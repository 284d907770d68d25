"""The product's staff groups: what each kind of operator may do in the admin."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from django.contrib.auth.models import Group, Permission

#: Group → patterns of `<app label>.<codename>`. What matches nothing yet belongs to apps to come.
STAFF_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    # Reads about people and their work; changes nothing, reads no prompts and nobody's words.
    "support": (
        "users.view_*",
        "orchestration.view_run",
        "orchestration.view_session",
        "orchestration.view_delivery",
        "orchestration.view_taskdefinition",
        "orchestration.view_taskschedule",
        "orchestration.view_batchapproval",
        "billing.view_*",
        "marketplace.view_*",
        "admin.view_logentry",
    ),
    # Judges what others publish.
    "reviewer": ("marketplace.*",),
    # Money and tiers.
    "billing": ("billing.*", "djstripe.view_*", "users.view_user"),
    # Prompts, tools, models, tasks, schedules, keys of programs, and stopping a run. Which hosts
    # there are, what is refused on them, and what signs callbacks is for superusers alone.
    "engineer": (
        "agents_cfg.*",
        "django_celery_beat.*",
        "orchestration.view_*",
        "orchestration.read_*",
        "orchestration.change_run",
        "orchestration.*_taskdefinition",
        "orchestration.*_taskschedule",
        "orchestration.*_flowmapping",
        "orchestration.*_moderule",
        "orchestration.*_site",
        "orchestration.*_circuitsetting",
        "orchestration.delete_batchlease",
        "orchestration.delete_idempotencykey",
        "billing.view_*",
        "users.view_*",
        "users.add_apikey",
        "users.change_apikey",
        "memory.*knowledge*",
        "memory.view_memoryowner",
        "memory.view_memoryitem",
        "admin.view_logentry",
    ),
}


def staff_groups_plant() -> list[str]:
    """Make the groups that are missing, and give all of them what they lack. Returns what was made.

    Repeating it is how permissions of newly installed apps reach them. It takes nothing away; who
    wants other rights for somebody makes a group for it.
    """
    every = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    made = []
    for name, patterns in STAFF_GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *(one for full, one in every.items() if any(fnmatchcase(full, p) for p in patterns))
        )
        made += [f"staff group '{name}'"] if is_new else []
    return made
