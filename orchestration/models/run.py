from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from taskmapr.core import run_state
from taskmapr.core.ids import uuid7


class RunStatus(models.TextChoices):
    QUEUED = run_state.QUEUED
    RUNNING = run_state.RUNNING
    RETRYING = run_state.RETRYING
    PAUSED = run_state.PAUSED
    SUCCEEDED = run_state.SUCCEEDED
    FAILED = run_state.FAILED
    CANCELLED = run_state.CANCELLED
    TIMED_OUT = run_state.TIMED_OUT


class Run(models.Model):
    """One piece of work. Its columns are the fold of its events, kept so that lists can be asked.

    The lease says which worker may append: `lease_token` grows with every change of hands and
    fences off writers that lost it. Clocks of leases are the database's.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    # Foreign keys without an index of their own are served by a composite one below: every index
    # that a start has to write costs each run.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    session = models.ForeignKey(
        "orchestration.Session",
        null=True,
        on_delete=models.CASCADE,
        related_name="runs",
        db_index=False,
    )
    profile = models.ForeignKey(
        "agents_cfg.OverlayProfile", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    profile_version = models.PositiveIntegerField(default=0, db_default=0)

    status = models.CharField(max_length=12, choices=RunStatus, default=RunStatus.QUEUED)
    is_sealed = models.BooleanField(default=False, db_default=False)
    #: The request as accepted: redacted, and sealed where the kind says so. Schema: the kind's
    #: engine.
    input = models.JSONField(default=dict)
    instructions = models.TextField(blank=True, default="", db_default="")
    model = models.CharField(max_length=200, blank=True, default="", db_default="")
    queue = models.CharField(max_length=60)
    #: What is to be done, for kinds that have a name for it: an intent, a type of task.
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    #: How it is carried out: `agent`, `flow` or `mcp` for intents.
    mode = models.CharField(max_length=12, blank=True, default="", db_default="")
    #: Whose limits it counts against: `user:<id>` or `key:<id>`.
    credential = models.CharField(max_length=80, blank=True, default="", db_default="")
    #: 0 to 9, the greater the sooner.
    priority = models.PositiveSmallIntegerField(default=5, db_default=5)
    #: Executions that it may have; 0: as its kind says.
    max_attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: Seconds of working time; null: as its profile or the settings say.
    timeout_s = models.FloatField(null=True)
    request_id = models.CharField(max_length=128, blank=True, default="", db_default="")

    attempt = models.PositiveIntegerField(default=0, db_default=0)
    last_seq = models.PositiveBigIntegerField(default=0, db_default=0)
    lease_owner = models.CharField(max_length=80, blank=True, default="", db_default="")
    lease_token = models.PositiveBigIntegerField(default=0, db_default=0)
    lease_expires_at = models.DateTimeField(null=True)

    input_tokens = models.PositiveIntegerField(default=0, db_default=0)
    output_tokens = models.PositiveIntegerField(default=0, db_default=0)
    #: Millionths of a US dollar; null means that no price is known.
    cost_usd_micros = models.PositiveBigIntegerField(null=True)
    first_output_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveBigIntegerField(null=True)
    error_code = models.CharField(max_length=60, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    reason = models.CharField(max_length=80, blank=True, default="", db_default="")

    created_at = models.DateTimeField(db_default=Now())
    #: Not to be begun before; null: at once.
    due_at = models.DateTimeField(null=True)
    #: Null while the run waits for its time, or for its turn in the session.
    enqueued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    #: Working time ends here; set when the first attempt starts, moved on by the length of pauses.
    deadline_at = models.DateTimeField(null=True)
    content_erased_at = models.DateTimeField(null=True)
    #: What it took is in the ledger of usage.
    is_metered = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "agent_runs"
        ordering = ["-id"]
        # Beyond "view": a run's figures are for more of the staff than its words.
        permissions = [
            ("read_content", "Can read what people and models said in runs and sessions"),
            ("read_instructions", "Can read the instructions that models were given"),
        ]
        constraints = [
            models.CheckConstraint(
                name="agent_runs_status_known",
                condition=models.Q(status__in=run_state.STATUSES),
            ),
            models.CheckConstraint(
                name="agent_runs_final_has_end",
                condition=~models.Q(status__in=run_state.FINAL_STATUSES)
                | models.Q(finished_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="agent_runs_owner"),
            models.Index(fields=["session", "id"], name="agent_runs_session"),
            models.Index(fields=["kind", "-id"], name="agent_runs_kind"),
            models.Index(
                fields=["kind", "subject", "-id"],
                condition=~models.Q(subject=""),
                name="agent_runs_subject",
            ),
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False, enqueued_at__isnull=True),
                name="agent_runs_due",
            ),
            # How many are open under a credential: asked before each start that is limited.
            models.Index(
                fields=["credential"],
                condition=~models.Q(credential="")
                & models.Q(status__in=sorted(run_state.OPEN_STATUSES)),
                name="agent_runs_open_credential",
            ),
            # The meter looks at runs that are over and not in the ledger yet.
            models.Index(
                fields=["id"],
                condition=models.Q(is_metered=False, status__in=sorted(run_state.FINAL_STATUSES)),
                name="agent_runs_unmetered",
            ),
            # Lists by day: rows lie in the order of their creation, so a summary per block does.
            BrinIndex(fields=["created_at"], name="agent_runs_created"),
            # The sweep and the lists of open runs look only at the few that are not final.
            models.Index(
                fields=["status", "lease_expires_at"],
                condition=models.Q(status__in=sorted(run_state.OPEN_STATUSES)),
                name="agent_runs_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} run {str(self.id)[-12:]}"

    @property
    def is_final(self) -> bool:
        return self.status in run_state.FINAL_STATUSES
