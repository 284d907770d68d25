from orchestration.models.approval import Approval
from orchestration.models.artifact import Artifact
from orchestration.models.command import Command
from orchestration.models.effect import Effect
from orchestration.models.erased import ErasedRuns
from orchestration.models.event import RunEvent
from orchestration.models.idempotency_key import IdempotencyKey
from orchestration.models.run import Run
from orchestration.models.session import Message, Session
from orchestration.models.tool_trial import ToolTrial

__all__ = [
    "Approval",
    "Artifact",
    "Command",
    "Effect",
    "ErasedRuns",
    "IdempotencyKey",
    "Message",
    "Run",
    "RunEvent",
    "Session",
    "ToolTrial",
]
