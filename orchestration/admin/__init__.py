from orchestration.admin import (
    audit,
    batches,
    breakers,
    chores,
    erased,
    flows,
    runs,
    sessions,
    sites,
    task_schedules,
    task_types,
    tools,
)

__all__ = [
    "audit",
    "batches",
    "breakers",
    "chores",
    "erased",
    "flows",
    "runs",
    "sessions",
    "sites",
    "task_schedules",
    "task_types",
    "tools",
]
