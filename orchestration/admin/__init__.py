from orchestration.admin import erased, runs, sessions

__all__ = ["erased", "runs", "sessions"]
