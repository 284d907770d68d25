from orchestration.admin import (
    audit,
    chores,
    erased,
    runs,
    sessions,
    task_types,
    tools,
)

__all__ = [
    "audit",
    "chores",
    "erased",
    "runs",
    "sessions",
    "task_types",
    "tools",
]
