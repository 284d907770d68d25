from orchestration.models.approval import Approval
from orchestration.models.artifact import Artifact
from orchestration.models.batch import ApprovalOutcome, BatchApproval, BatchLease
from orchestration.models.circuit_setting import CircuitSetting
from orchestration.models.command import Command
from orchestration.models.delivery import Delivery, DeliveryAttempt
from orchestration.models.effect import Effect
from orchestration.models.erased import ErasedRuns
from orchestration.models.event import RunEvent
from orchestration.models.flow_call import FlowCall
from orchestration.models.flow_mapping import FlowMapping
from orchestration.models.idempotency_key import IdempotencyKey
from orchestration.models.mode_rule import ModeRule
from orchestration.models.run import Run
from orchestration.models.sequence_step import SequenceStep
from orchestration.models.session import Message, Session
from orchestration.models.site import Site
from orchestration.models.ssh import CommandRule, SshAudit, SshDecision, SshTarget
from orchestration.models.task_definition import TaskDefinition
from orchestration.models.task_schedule import TaskSchedule
from orchestration.models.tool_trial import ToolTrial
from orchestration.models.webhook_secret import SignedRequest, WebhookSecret

__all__ = [
    "Approval",
    "ApprovalOutcome",
    "Artifact",
    "BatchApproval",
    "BatchLease",
    "CircuitSetting",
    "Command",
    "CommandRule",
    "Delivery",
    "DeliveryAttempt",
    "Effect",
    "ErasedRuns",
    "FlowCall",
    "FlowMapping",
    "IdempotencyKey",
    "Message",
    "ModeRule",
    "Run",
    "RunEvent",
    "SequenceStep",
    "Session",
    "SignedRequest",
    "Site",
    "SshAudit",
    "SshDecision",
    "SshTarget",
    "TaskDefinition",
    "TaskSchedule",
    "ToolTrial",
    "WebhookSecret",
]
