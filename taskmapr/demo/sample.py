"""What the sample workspace shows. Nothing of it is stored."""

from __future__ import annotations

from typing import Any, Final

PLACES: Final = (
    {"slug": "dashboard", "title": "Dashboard", "path": "/console/"},
    {"slug": "tasks", "title": "Tasks", "path": "/console/tasks"},
    {"slug": "team", "title": "Team", "path": "/console/team"},
    {"slug": "settings", "title": "Settings", "path": "/console/settings"},
    {"slug": "embed", "title": "Embed", "path": "/console/embed"},
)

METRICS: Final = (
    {"id": "metric-open", "title": "Open tasks", "value": "14", "note": "3 more than last week"},
    {"id": "metric-blocked", "title": "Blocked", "value": "2", "note": "both wait for legal"},
    {"id": "metric-cycle", "title": "Cycle time", "value": "2.8 days", "note": "0.4 days less"},
)

TASKS: Final = (
    {
        "id": "task-1",
        "title": "Welcome the new marketing colleague",
        "text": "Accounts, first meetings, the checklist for the first week.",
        "state": "In progress",
        "status": "running",
        "owner": "Avery Brooks",
        "due": "2026-12-01",
    },
    {
        "id": "task-2",
        "title": "Ship the review of the quarter",
        "text": "Collect the numbers, write the summary, send it to the board.",
        "state": "Blocked",
        "status": "failed",
        "owner": "Jordan Green",
        "due": "2026-12-05",
    },
    {
        "id": "task-3",
        "title": "Refresh the support answers",
        "text": "Find answers older than a year and propose new ones.",
        "state": "Not started",
        "status": "queued",
        "owner": "Morgan Lee",
        "due": "2026-12-10",
    },
    {
        "id": "task-4",
        "title": "Renew the vendor contracts",
        "text": "Check the terms, get the signatures, file the copies.",
        "state": "Done",
        "status": "succeeded",
        "owner": "Samira Patel",
        "due": "2026-11-15",
    },
)

TEAM: Final = (
    {"id": "avery", "name": "Avery Brooks", "role": "Operations", "zone": "Lisbon", "load": 4},
    {"id": "jordan", "name": "Jordan Green", "role": "Product", "zone": "Toronto", "load": 6},
    {"id": "morgan", "name": "Morgan Lee", "role": "Support", "zone": "Seoul", "load": 3},
    {"id": "samira", "name": "Samira Patel", "role": "Finance", "zone": "Pune", "load": 1},
)


def workspace_content() -> dict[str, Any]:
    return {"places": PLACES, "metrics": METRICS, "tasks": TASKS, "team": TEAM}
