from __future__ import annotations

from django.conf import settings

from taskmapr.celery import app
from taskmapr.core import jobs

#: Jobs that only come about by somebody asking for something.
ASKED_FOR = {
    jobs.TASK_SCHEDULE_BEGIN,
    jobs.RUN_EXECUTE,
    jobs.RUN_EXECUTE_STANDBY,
    jobs.MODEL_TRY,
    jobs.TOOL_TRY,
    jobs.SSH_TARGET_CHECK,
}


def test_every_job_name_is_a_registered_task() -> None:
    app.loader.import_default_modules()

    assert set(jobs.JOB_NAMES) <= set(app.tasks)
    assert len(set(jobs.JOB_NAMES)) == len(jobs.JOB_NAMES)


def test_every_chore_is_on_beats_schedule() -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert scheduled == set(jobs.JOB_NAMES) - ASKED_FOR
