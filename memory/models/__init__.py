from memory.models.item import MemoryItem

__all__ = ["MemoryItem"]
