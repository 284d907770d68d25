from memory.admin import items, knowledge

__all__ = ["items", "knowledge"]
