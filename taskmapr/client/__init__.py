"""TaskMapr for Python programs: intents, their jobs, tasks, and callbacks.

Needs httpx and nothing of the server. What is named here is the library; its modules are not.
"""

from taskmapr.client.asynchronous import AsyncClient
from taskmapr.client.blocking import Client
from taskmapr.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    Forbidden,
    InvalidRequest,
    JobFailed,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
    Unavailable,
    WaitedTooLong,
    WebhookRefused,
)
from taskmapr.client.results import (
    Download,
    Intent,
    Job,
    JobPage,
    LogLine,
    Problem,
    Progress,
    Screenshot,
    StreamEvent,
    Task,
    TaskPage,
    TaskType,
    Usage,
    UsageFigures,
    UsageRow,
)
from taskmapr.client.webhooks import verify_webhook

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "Conflict",
    "Download",
    "Forbidden",
    "Intent",
    "InvalidRequest",
    "Job",
    "JobFailed",
    "JobPage",
    "LogLine",
    "NoAnswer",
    "NotAuthenticated",
    "NotFound",
    "Problem",
    "Progress",
    "QuotaExceeded",
    "RateLimited",
    "Screenshot",
    "ServerFailed",
    "StreamEvent",
    "Task",
    "TaskPage",
    "TaskType",
    "Unavailable",
    "Usage",
    "UsageFigures",
    "UsageRow",
    "WaitedTooLong",
    "WebhookRefused",
    "verify_webhook",
]
