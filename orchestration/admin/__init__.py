from orchestration.admin import audit, chores, erased, runs, sessions

__all__ = ["audit", "chores", "erased", "runs", "sessions"]
