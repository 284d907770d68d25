from memory.models.item import MemoryItem
from memory.models.knowledge import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument
from memory.models.owner import MemoryOwner

__all__ = [
    "KnowledgeChunk",
    "KnowledgeCollection",
    "KnowledgeDocument",
    "MemoryItem",
    "MemoryOwner",
]
