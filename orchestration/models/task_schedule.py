from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class TaskSchedule(models.Model):
    """A task that begins again and again: by a cron expression in a time zone, or every so often.

    Beat's own row tells it when; this one says what, for whom, and what was begun last.
    """

    name = models.CharField(max_length=120, unique=True)
    task_type = models.CharField(max_length=100)
    params = models.JSONField(default=dict, blank=True)
    #: For whom the tasks run.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="task_schedules"
    )
    #: Five fields: minute, hour, day of month, month, day of week. Empty: `every_s` counts.
    cron = models.CharField(max_length=120, blank=True)
    timezone = models.CharField(max_length=63, default="UTC")
    every_s = models.PositiveIntegerField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    periodic_task = models.OneToOneField(
        "django_celery_beat.PeriodicTask", null=True, editable=False, on_delete=models.SET_NULL
    )
    last_run = models.ForeignKey(
        "orchestration.Run", null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    last_begun_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_task_schedules"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
