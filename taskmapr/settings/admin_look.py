"""How the admin looks: names, colours and the way through it.

A section of the sidebar is one `_item` line; who may not see its list does not see the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy

_SLATE = {
    "50": "#f8fafc",
    "100": "#f1f5f9",
    "200": "#e2e8f0",
    "300": "#cbd5e1",
    "400": "#94a3b8",
    "500": "#64748b",
    "600": "#475569",
    "700": "#334155",
    "800": "#1e293b",
    "900": "#0f172a",
    "950": "#020617",
}
_INDIGO = {
    "50": "#eef2ff",
    "100": "#e0e7ff",
    "200": "#c7d2fe",
    "300": "#a5b4fc",
    "400": "#818cf8",
    "500": "#6366f1",
    "600": "#4f46e5",
    "700": "#4338ca",
    "800": "#3730a3",
    "900": "#312e81",
    "950": "#1e1b4b",
}

#: Kinds of runs that have a line of their own.
_RUNS_APART = frozenset({"task", "intent"})
#: Pages below the list of runs that have one, too.
_PAGES_APART = frozenset({"figures/", "retention/"})


def _group(title: str, *items: dict[str, object]) -> dict[str, object]:
    return {"title": title, "separator": bool(title), "items": list(items)}


def _item(title: str, icon: str, model: str) -> dict[str, object]:
    """The list of a model. model: `<app label>_<model name>` as in the admin's route names."""
    return _page(title, icon, f"{model}_changelist", "{0}.view_{2}".format(*model.rpartition("_")))


def _page(title: str, icon: str, route: str, permission: str = "") -> dict[str, object]:
    """Any page of the admin by the name of its route; without a permission, all staff see it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{route}"),
        "permission": _having(permission),
    }


def _runs(title: str, icon: str, kind: str) -> dict[str, object]:
    """The list of runs, of one kind; "" stands for all of them."""

    def is_shown(request: HttpRequest) -> bool:
        asked = request.GET.get("kind", "")
        page = request.path.removeprefix(str(runs["link"]))
        is_page = page != request.path and page not in _PAGES_APART
        return is_page and (asked == kind or (not kind and asked not in _RUNS_APART))

    runs = _item(title, icon, "orchestration_run")
    link = lazy(lambda: f"{runs['link']}?kind={kind}", str)() if kind else runs["link"]
    return {**runs, "link": link, "active": is_shown}


def _having(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: not permission or request.user.has_perm(permission)


SIDEBAR = [
    _group(
        "",
        _page("Dashboard", "monitoring", "index"),
        _page("Intents and tasks", "query_stats", "work_figures", "orchestration.view_run"),
    ),
    _group(
        "Work",
        _runs("Runs", "bolt", ""),
        _runs("Tasks", "task_alt", "task"),
        _runs("Jobs", "rocket_launch", "intent"),
        _item("Sessions", "forum", "orchestration_session"),
        _item("Memory", "bookmark", "memory_memoryowner"),
        _item("Task types", "checklist", "orchestration_taskdefinition"),
        _item("Callbacks", "outbox", "orchestration_delivery"),
        _item("Task schedules", "event_repeat", "orchestration_taskschedule"),
        _item("Erased runs", "auto_delete", "orchestration_erasedruns"),
    ),
    _group(
        "Assistant",
        _item("Overlay profiles", "tune", "agents_cfg_overlayprofile"),
        _item("Model profiles", "neurology", "agents_cfg_modelprofile"),
        _item("Tools", "build", "agents_cfg_tool"),
        _item("MCP servers", "hub", "agents_cfg_mcpserver"),
        _item("Rules of modes", "alt_route", "orchestration_moderule"),
        _item("Flow mappings", "account_tree", "orchestration_flowmapping"),
        _item("Knowledge collections", "library_books", "memory_knowledgecollection"),
    ),
    _group(
        "Batches",
        _item("Sites", "language", "orchestration_site"),
        _item("Approvals", "verified", "orchestration_batchapproval"),
        _item("Batches at work", "lock_clock", "orchestration_batchlease"),
    ),
    _group(
        "Hosts",
        _item("SSH targets", "dns", "orchestration_sshtarget"),
        _item("Deny rules", "block", "orchestration_commandrule")
        | {
            "active": lambda request: re.search(r"/commandrule/(?!check)", request.path) is not None
        },
        _page("Check a command", "rule", "ssh_command_check", "orchestration.view_commandrule"),
        _item("Commands run", "terminal", "orchestration_sshaudit"),
    ),
    _group(
        "Usage",
        _item("Usage", "bar_chart", "billing_usage"),
        _item("Quotas", "speed", "billing_quota"),
        _item("Prices", "payments", "agents_cfg_toolprice"),
    ),
    _group(
        "People",
        _item("Users", "person", "users_user"),
        _item("Groups", "group", "auth_group"),
        _item("External identities", "badge", "users_externalidentity"),
    ),
    _group(
        "Access",
        # The page below it lies under its address, and must not mark both.
        _item("API keys", "vpn_key", "users_apikey")
        | {"active": lambda request: re.search(r"/apikey/(?!sign-in)", request.path) is not None},
        _page("Sign-in settings", "login", "users_sign_in", "users.view_apikey"),
        _item("Sign-ins", "key", "users_refreshtoken"),
        _item("Webhook secrets", "signature", "orchestration_webhooksecret"),
        _item("Data keys", "lock", "users_datakey"),
        _item("Secrets", "password", "agents_cfg_secret"),
    ),
    _group(
        "Operation",
        _item("Scheduled chores", "schedule", "django_celery_beat_periodictask"),
        _page("Circuit breakers", "electric_bolt", "circuits", "orchestration.view_circuitsetting"),
        _item("Keys of repeats", "content_copy", "orchestration_idempotencykey"),
        _item("Audit log", "history", "admin_logentry"),
        _page("Retention", "auto_delete", "retention", "orchestration.view_run"),
    ),
]

UNFOLD = {
    "SITE_TITLE": "TaskMapr",
    "SITE_HEADER": "TaskMapr",
    "SITE_SUBHEADER": "Operations",
    "SITE_SYMBOL": "route",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("taskmapr/icon.svg"),
        }
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [
        lambda request: static("taskmapr/tokens.css"),
        lambda request: static("taskmapr/parts.css"),
        lambda request: static("taskmapr/admin.css"),
    ],
    "COLORS": {"base": _SLATE, "primary": _INDIGO},
    "DASHBOARD_CALLBACK": "orchestration.admin.dashboard.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": SIDEBAR},
}
