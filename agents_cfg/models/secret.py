from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from taskmapr.foundation.fields import EncryptedTextField


class Secret(models.Model):
    """A password, token or key that tools and tasks name and never show. Saved through
    `secret_save`, read through `secret_read`."""

    name = models.CharField(
        max_length=80,
        unique=True,
        help_text="What sites, hosts and task types call it, such as esc.password",
    )
    value = EncryptedTextField(blank=True, default="")
    description = models.CharField(
        max_length=300, blank=True, default="", help_text="Where it comes from, and who renews it"
    )
    #: To the minute: a secret that is read often is not written often.
    last_used_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
