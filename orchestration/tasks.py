"""Jobs. Each takes ids only and calls one service; Celery's redelivery is never relied upon."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from celery import Task, shared_task

from orchestration.delivering import courier
from orchestration.execution.executor import executor
from orchestration.log.partitions import partitions_ensure as make_partitions
from orchestration.services.idempotency import keys_prune
from orchestration.services.metering import runs_meter as meter
from orchestration.services.pausing import approvals_expire as expire
from orchestration.services.recovery import runs_recover as recover
from orchestration.services.retention import retention_apply as apply_retention
from orchestration.services.run_queue import runs_enqueue
from orchestration.services.ssh_checks import ssh_check_run
from orchestration.services.task_schedules import task_schedule_begin as begin_scheduled
from orchestration.services.tool_servers import mcp_servers_check as check_mcp_servers
from orchestration.services.tool_trials import tool_trial_run
from orchestration.standby.rows import standby_enqueue
from taskmapr.core import jobs
from taskmapr.foundation.database_state import database_is_away


@shared_task(name=jobs.RUN_EXECUTE, bind=True, acks_late=False, ignore_result=True)
def run_execute(self: Task[[str], None], run_id: str) -> None:
    """Hand the run to this worker's loop, with those that wait behind it; without a free slot, to
    the end of the queue."""
    if executor().take(UUID(run_id)):
        executor().take_waiting(self.request.delivery_info["routing_key"])
    else:
        runs_enqueue([UUID(run_id)])


@shared_task(name=jobs.RUN_EXECUTE_STANDBY, acks_late=False, ignore_result=True)
def run_execute_standby(run_id: str) -> None:
    """The same for a run whose row lies in Redis, because Postgres was away when it began."""
    if not executor().take(UUID(run_id), stands_by=True):
        standby_enqueue([UUID(run_id)])


@shared_task(name=jobs.RUNS_RECOVER, ignore_result=True)
def runs_recover() -> None:
    if not database_is_away():
        recover()


@shared_task(name=jobs.APPROVALS_EXPIRE, ignore_result=True)
def approvals_expire() -> None:
    expire()


@shared_task(name=jobs.PARTITIONS_ENSURE, ignore_result=True)
def partitions_ensure() -> None:
    make_partitions(datetime.now(UTC))


@shared_task(name=jobs.RETENTION_APPLY, ignore_result=True)
def retention_apply() -> None:
    apply_retention()


@shared_task(name=jobs.IDEMPOTENCY_KEYS_PRUNE, ignore_result=True)
def idempotency_keys_prune() -> None:
    keys_prune()


@shared_task(name=jobs.DELIVERIES_SEND, ignore_result=True)
def deliveries_send() -> None:
    """Receivers are waited for on the worker's loop: a slow one holds no thread."""
    if not database_is_away():
        courier.go(executor().submit)


@shared_task(name=jobs.MCP_SERVERS_CHECK, ignore_result=True)
def mcp_servers_check(*at_once: int) -> None:
    """Sessions live on the worker's loop; a Celery thread asks for them there."""
    check_mcp_servers(at_once, submit=executor().submit)


@shared_task(name=jobs.TOOL_TRY, ignore_result=True)
def tool_try(trial_id: str) -> None:
    tool_trial_run(trial_id=UUID(trial_id), submit=executor().submit)


@shared_task(name=jobs.RUNS_METER, ignore_result=True)
def runs_meter() -> None:
    if not database_is_away():
        meter()


@shared_task(name=jobs.TASK_SCHEDULE_BEGIN, ignore_result=True)
def task_schedule_begin(schedule_id: int) -> None:
    begin_scheduled(schedule_id=schedule_id)


@shared_task(name=jobs.SSH_TARGET_CHECK, ignore_result=True)
def ssh_target_check(target_id: int) -> None:
    ssh_check_run(target_id=target_id, submit=executor().submit)
