from __future__ import annotations

from taskmapr.users.models import User


class MemoryOwner(User):
    """A user as somebody about whom things are remembered; for lists of whose memory there is."""

    class Meta:
        proxy = True
        ordering = ("email",)
        verbose_name = "memory owner"
        verbose_name_plural = "memory owners"
