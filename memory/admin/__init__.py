from memory.admin import items, knowledge, owners

__all__ = ["items", "knowledge", "owners"]
