from taskmapr.users.admin import accounts, api_keys

__all__ = ["accounts", "api_keys"]
