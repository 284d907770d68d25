from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class OverlayProfileVersion(models.Model):
    """What a profile said while it had this number. Runs name the number that they used."""

    profile = models.ForeignKey(
        "agents_cfg.OverlayProfile",
        on_delete=models.CASCADE,
        related_name="versions",
        db_index=False,
    )
    version = models.PositiveIntegerField()
    by = models.CharField(max_length=200)
    #: Columns that say how a run behaves, by name, as JSON values.
    data = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["profile", "version"], name="overlay_profile_version")
        ]

    def __str__(self) -> str:
        return f"version {self.version}"
