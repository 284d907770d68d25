from orchestration.admin import runs, sessions

__all__ = ["runs", "sessions"]
