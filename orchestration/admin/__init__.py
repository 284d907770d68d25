from orchestration.admin import audit, chores, runs, sessions

__all__ = ["audit", "chores", "runs", "sessions"]
