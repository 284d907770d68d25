"""Names of queued jobs and queues. Services enqueue by name, so they need no import of a task."""

from __future__ import annotations

RUN_EXECUTE = "orchestration.run_execute"
#: The same for a run whose row lies in Redis, while Postgres is away.
RUN_EXECUTE_STANDBY = "orchestration.run_execute_standby"
RUNS_RECOVER = "orchestration.runs_recover"
APPROVALS_EXPIRE = "orchestration.approvals_expire"
PARTITIONS_ENSURE = "orchestration.partitions_ensure"
RETENTION_APPLY = "orchestration.retention_apply"
IDEMPOTENCY_KEYS_PRUNE = "orchestration.idempotency_keys_prune"
#: Sends the callbacks whose time has come; also sent when a run with one has ended.
DELIVERIES_SEND = "orchestration.deliveries_send"
MCP_SERVERS_CHECK = "orchestration.mcp_servers_check"
TOKENS_PRUNE = "users.tokens_prune"
USERS_ERASE = "users.users_erase"
#: Asks a model one short question for an operator.
MODEL_TRY = "agents_cfg.model_try"
#: Calls a tool that reads for an operator.
TOOL_TRY = "orchestration.tool_try"
#: Signs in at a host for an operator.
SSH_TARGET_CHECK = "orchestration.ssh_target_check"
KNOWLEDGE_REFRESH = "memory.knowledge_refresh"
KNOWLEDGE_EMBED = "memory.knowledge_embed"
MEMORY_ITEMS_EMBED = "memory.items_embed"
MEMORY_ITEMS_RESEAL = "memory.items_reseal"
#: Puts what runs took into the ledger of usage.
RUNS_METER = "orchestration.runs_meter"
#: Begins the task of a schedule whose time has come.
TASK_SCHEDULE_BEGIN = "orchestration.task_schedule_begin"

QUEUE_CHORES = "chores"
#: Callbacks wait for strangers' servers, so they have a queue of their own.
QUEUE_DELIVERIES = "deliveries"
#: Queued tasks: on the shared loop of a worker ...
QUEUE_DEFAULT = "default"
QUEUE_AGENT = "agent"
#: ... and in processes of their own.
QUEUE_BROWSER = "browser"
QUEUE_LONG = "long"
#: Runs are queued by kind: `runs.overlay`, later `runs.task` and so on.
QUEUE_RUNS_PREFIX = "runs."

JOB_NAMES = (
    TASK_SCHEDULE_BEGIN,
    RUN_EXECUTE,
    RUN_EXECUTE_STANDBY,
    RUNS_RECOVER,
    APPROVALS_EXPIRE,
    PARTITIONS_ENSURE,
    RETENTION_APPLY,
    IDEMPOTENCY_KEYS_PRUNE,
    DELIVERIES_SEND,
    MCP_SERVERS_CHECK,
    TOKENS_PRUNE,
    USERS_ERASE,
    MODEL_TRY,
    TOOL_TRY,
    SSH_TARGET_CHECK,
    KNOWLEDGE_REFRESH,
    KNOWLEDGE_EMBED,
    MEMORY_ITEMS_EMBED,
    MEMORY_ITEMS_RESEAL,
    RUNS_METER,
)
