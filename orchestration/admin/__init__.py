from orchestration.admin import (
    audit,
    batches,
    chores,
    erased,
    runs,
    sessions,
    sites,
    task_types,
    tools,
)

__all__ = [
    "audit",
    "batches",
    "chores",
    "erased",
    "runs",
    "sessions",
    "sites",
    "task_types",
    "tools",
]
