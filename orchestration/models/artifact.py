from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models.functions import Now

from taskmapr.core.errors import Unavailable
from taskmapr.core.ids import uuid7

logger = logging.getLogger(__name__)


def artifact_storage() -> Storage:
    return storages["artifacts"]


@contextmanager
def storage_asked() -> Iterator[None]:
    """Read or write files of runs inside. Raises FileNotFoundError, and Unavailable for everything
    else that a storage says: each kind has errors of its own."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        logger.warning("the storage of files fails", exc_info=True)
        raise Unavailable("The storage of files does not answer. Try again soon.") from error


def artifact_path(artifact: Artifact, name: str) -> str:
    """Where the bytes lie. What the file is called in public has no part in it."""
    return f"{artifact.run_id}/{artifact.pk}"


class ArtifactRole(models.TextChoices):
    DOWNLOAD = "download"
    SCREENSHOT = "screenshot"
    #: For staff alone.
    PRIVATE = "private"


class Artifact(models.Model):
    """A file that a run produced. The bytes are in the storage named `artifacts`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey("orchestration.Run", on_delete=models.CASCADE, related_name="artifacts")
    #: A plain file name, unique among the files of its run.
    name = models.CharField(max_length=200)
    role = models.CharField(
        max_length=12, choices=ArtifactRole, default=ArtifactRole.DOWNLOAD, db_default="download"
    )
    #: Of screenshots: `success`, `error` or `step`.
    label = models.CharField(max_length=40, blank=True, default="", db_default="")
    media_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    #: In hex; empty for files from before sums were kept.
    sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    #: Of pictures, in pixels.
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    file = models.FileField(storage=artifact_storage, upload_to=artifact_path)
    created_at = models.DateTimeField(db_default=Now())
    #: The bytes are removed after this; null: they go with the run.
    expires_at = models.DateTimeField(null=True)
    #: When they were removed. The row stays and says what was there.
    erased_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_artifacts"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="agent_artifacts_name"),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(erased_at__isnull=True),
                name="agent_artifacts_expiring",
            ),
        ]

    def __str__(self) -> str:
        return self.name
