from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from taskmapr.core.ids import uuid7


class Session(models.Model):
    """A conversation: runs of one owner, in order.

    The first three columns are a published shape (`session_id`, `user_id`, `created_at`); all
    others have database defaults, so rows written by other programs stay valid.
    """

    session_id = models.TextField(primary_key=True)
    #: The owner's id as text. Not a foreign key: rows may come from elsewhere.
    user_id = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    title = models.TextField(blank=True, default="", db_default="")

    class Meta:
        db_table = "agent_sessions"
        ordering = ["-updated_at", "session_id"]
        indexes = [models.Index(fields=["user_id", "-updated_at"], name="agent_sessions_user")]

    def __str__(self) -> str:
        return self.session_id


class MessageRole(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"


class Message(models.Model):
    """A part of a conversation that people see. Ordered by run, then position."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    run = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=12, choices=MessageRole)
    content = models.TextField(blank=True, default="", db_default="")
    #: Page actions of the answer: [{type, payload}].
    actions = models.JSONField(default=list, db_default=[])
    #: What the model needs to remember besides the text: chat messages with tool calls and results.
    items = models.JSONField(default=list, db_default=[])
    #: True: `content` is sealed with the owner's data key and holds actions and items as well.
    is_sealed = models.BooleanField(default=False, db_default=False)
    is_partial = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_messages"
        ordering = ["run_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="agent_messages_position")
        ]
        indexes = [models.Index(fields=["session", "run", "position"], name="agent_messages_order")]

    def __str__(self) -> str:
        return f"{self.role} message of {self.session_id}"
