from __future__ import annotations

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models.functions import Now

from taskmapr.core.ids import uuid7


def artifact_storage() -> Storage:
    return storages["artifacts"]


class Artifact(models.Model):
    """A file that a run produced. The bytes are in the storage named `artifacts`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey("orchestration.Run", on_delete=models.CASCADE, related_name="artifacts")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    file = models.FileField(storage=artifact_storage, upload_to="%Y/%m/")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_artifacts"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
