from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from taskmapr.foundation.fields import EncryptedTextField


class WebhookSecret(models.Model):
    """What signs callbacks to one user's receivers; without an owner, to everybody's else.

    Rotation leaves the former one valid for a day, in which callbacks carry both signatures.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="webhook_secrets",
        help_text="Empty: signs the callbacks of everybody who has none of their own.",
    )
    #: `whsec_` and base64.
    secret = EncryptedTextField()
    created_at = models.DateTimeField(db_default=Now())
    #: Set by rotation; null: the present one.
    expires_at = models.DateTimeField(null=True)
    #: When somebody was shown it, which happens once.
    shown_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_webhook_secrets"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner"],
                condition=models.Q(expires_at__isnull=True),
                nulls_distinct=False,
                name="agent_webhook_secrets_one_present",
            )
        ]

    def __str__(self) -> str:
        return f"webhook secret {self.pk}"


class SignedRequest(models.Model):
    """A signed request that was accepted, so that nobody can send it again."""

    message_id = models.CharField(max_length=200, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "agent_signed_requests"
        ordering = ["message_id"]

    def __str__(self) -> str:
        return self.message_id
