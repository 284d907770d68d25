from memory.admin import items

__all__ = ["items"]
