from orchestration.admin import audit, chores, erased, runs, sessions, tools

__all__ = ["audit", "chores", "erased", "runs", "sessions", "tools"]
