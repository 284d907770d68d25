from memory.models.item import MemoryItem
from memory.models.knowledge import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument

__all__ = ["KnowledgeChunk", "KnowledgeCollection", "KnowledgeDocument", "MemoryItem"]
