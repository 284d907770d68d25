"""Every error that TaskMapr raises on purpose.

Core, services and adapters raise these and nothing else; the doorways translate them
(`foundation/problems.py` to RFC 9457 bodies, sockets to close codes, engines to log events).
The class docstring is the meaning shown to people on `/problems/<code>` and in `docs/errors.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class TaskMaprError(Exception):
    """Something went wrong inside TaskMapr. Nothing of the request was carried out."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    #: True when the same request may succeed later without being changed.
    retryable: ClassVar[bool] = False
    #: True: instances carry codes that others invent, so the class stands for none in lists.
    has_own_codes: ClassVar[bool] = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.meaning()
        self.details: dict[str, Any] = dict(details or {})
        self.headers: dict[str, str] = dict(headers or {})
        super().__init__(self.detail)

    @classmethod
    def meaning(cls) -> str:
        """The first paragraph of the docstring as one line."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


# 4xx: the request ---------------------------------------------------------------------------


class InvalidRequest(TaskMaprError):
    """The request cannot be read: a header or the URL is malformed."""

    code, title, status = "invalid_request", "Malformed request", 400


class InvalidJson(InvalidRequest):
    """The body is not valid JSON."""

    code, title = "invalid_json", "Malformed JSON"


class NotAuthenticated(TaskMaprError):
    """The request carries no valid credentials."""

    code, title, status = "not_authenticated", "Not authenticated", 401

    def __init__(self, detail: str | None = None, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class MissingToken(NotAuthenticated):
    """No credentials were sent. Send `Authorization: Bearer <token>`."""

    code, title = "missing_token", "Credentials missing"


class InvalidScheme(NotAuthenticated):
    """The Authorization header does not use the Bearer scheme."""

    code, title = "invalid_scheme", "Unknown authorization scheme"


class InvalidToken(NotAuthenticated):
    """The token is malformed, wrongly signed, revoked or unknown."""

    code, title = "invalid_token", "Invalid token"


class InvalidAudience(InvalidToken):
    """The token was made for another audience than this server."""

    code, title = "invalid_audience", "Token for another audience"


class InvalidIssuer(InvalidToken):
    """The token comes from an issuer that this server does not trust."""

    code, title = "invalid_issuer", "Unknown token issuer"


class MissingSubject(InvalidToken):
    """The token does not say whom it is for."""

    code, title = "missing_subject", "Token without a subject"


class TokenExpired(NotAuthenticated):
    """The token was valid and its time is over. Refresh it or sign in again."""

    code, title = "token_expired", "Token expired"


class TokenReused(NotAuthenticated):
    """A refresh token was presented twice. Every token of that sign-in has been revoked."""

    code, title = "token_reused", "Refresh token reused"


class InvalidCredentials(NotAuthenticated):
    """The email address or the password is wrong."""

    code, title = "invalid_credentials", "Wrong email or password"


class NotAllowed(TaskMaprError):
    """The credentials are valid, but do not permit this."""

    code, title, status = "not_allowed", "Not allowed", 403


class SessionForbidden(NotAllowed):
    """The session belongs to somebody else. Nothing was written to it."""

    code, title = "session_forbidden", "Session belongs to another user"


class InvalidSignature(NotAllowed):
    """The request's signature does not fit, is older than five minutes, or was used before."""

    code, title = "invalid_signature", "Invalid signature"


class MissingApiKey(NotAuthenticated):
    """The request carries no key. Send it as `x-api-key`."""

    code, title = "missing_api_key", "Key missing"


class InvalidApiKey(NotAuthenticated):
    """The key is unknown, expired or revoked."""

    code, title = "invalid_api_key", "Key refused"


class ScopeMissing(NotAllowed):
    """The key is valid and was not made for this."""

    code, title = "scope_missing", "Scope missing"


class IntentForbidden(NotAllowed):
    """The intent exists, and this principal may not run it."""

    code, title = "intent_forbidden", "Intent forbidden"


class HostNotAllowed(NotAllowed):
    """The host is not among those that operators registered, or not for this principal."""

    code, title = "host_not_allowed", "Host not allowed"


class CommandDenied(NotAllowed):
    """The command matches a rule that no confirmation overrides."""

    code, title = "command_denied", "Command denied"


class CommandNotAllowed(NotAllowed):
    """Only commands that provably just read are allowed here. `details.reason` says what is not."""

    code, title = "command_not_allowed", "Command not allowed"


class ToolNotAllowed(NotAllowed):
    """The tool is not on the list of those that operators allow."""

    code, title = "tool_not_allowed", "Tool not allowed"


class ToolDenied(NotAllowed):
    """The tool exists, but this run may not call it."""

    code, title = "tool_denied", "Tool not permitted"


class NotFound(TaskMaprError):
    """There is nothing here that you may see."""

    code, title, status = "not_found", "Not found", 404


class RunNotFound(NotFound):
    """There is no run with this id that belongs to you."""

    code, title = "run_not_found", "Run not found"


class UnknownIntent(NotFound):
    """No tool, flow or server answers to this intent. `details.available` lists what is there."""

    code, title = "unknown_intent", "Unknown intent"


class JobNotFound(NotFound):
    """There is no such job, or it is not yours."""

    code, title = "job_not_found", "Job not found"


class UnknownTaskType(NotFound):
    """There is no such type of task. `details.available` lists those that are there."""

    code, title = "unknown_task_type", "Unknown task type"


class TaskNotFound(NotFound):
    """There is no such task, or it is not yours."""

    code, title = "task_not_found", "Task not found"


class MemoryNotFound(NotFound):
    """The caller has no memory item with this id."""

    code, title = "memory_not_found", "Memory item not found"


class FileNotFound(NotFound):
    """There is no such file, its link has expired, or it is not yours."""

    code, title = "file_not_found", "File not found"


class MethodNotAllowed(TaskMaprError):
    """The path exists, but not for this method."""

    code, title, status = "method_not_allowed", "Method not allowed", 405


class NotAcceptable(TaskMaprError):
    """None of the media types in the Accept header can be produced here."""

    code, title, status = "not_acceptable", "Not acceptable", 406


class Conflict(TaskMaprError):
    """The request does not fit the present state."""

    code, title, status = "conflict", "Conflict", 409


class IllegalMove(Conflict):
    """An event was refused because the run's state does not allow it."""

    code, title = "illegal_move", "Move not allowed in this state"


class AlreadyFinished(Conflict):
    """The run has reached a final state, which never changes."""

    code, title = "already_finished", "Run already finished"


class AmbiguousIntent(Conflict):
    """Several servers have a tool of this name. `details.choices` lists the full names."""

    code, title = "ambiguous_intent", "Ambiguous intent"


class TaskDisabled(Conflict):
    """Operators have switched this type of task off."""

    code, title = "task_disabled", "Task type disabled"


class NotRetryable(Conflict):
    """Only tasks that ended without success can be assigned again."""

    code, title = "not_retryable", "Not retryable"


class AlreadyResolved(Conflict):
    """The question was answered before, or its time is over."""

    code, title = "already_resolved", "Already answered"


class SessionBusy(Conflict):
    """The session has one running run and the most that may wait behind it."""

    code, title = "session_busy", "Session is busy"


class EmailTaken(Conflict):
    """An account with this email address exists."""

    code, title = "email_taken", "Email already registered"


class LeaseLost(Conflict):
    """Another process holds the run's lease now. What this one still wanted to write is dropped."""

    code, title = "lease_lost", "Lease lost"


class EventsExpired(TaskMaprError):
    """The run's events have been erased after their retention period."""

    code, title, status = "events_expired", "Events expired", 410


class PayloadTooLarge(TaskMaprError):
    """The body is larger than this server accepts."""

    code, title, status = "payload_too_large", "Body too large", 413


class UnsupportedMediaType(TaskMaprError):
    """The body must be sent as `application/json`."""

    code, title, status = "unsupported_media_type", "Unsupported media type", 415


class InvalidInput(TaskMaprError):
    """The request is readable, but a member has a wrong type or value."""

    code, title, status = "validation_error", "Invalid input", 422

    @classmethod
    def of(cls, *fields: tuple[str, str]) -> InvalidInput:
        """Build from (path, message) pairs; they become `details.fields`."""
        listed = [{"path": path, "message": message} for path, message in fields]
        detail = "; ".join(f"{path}: {message}" for path, message in fields)
        return cls(detail, details={"fields": listed})


class ModeNotSupported(TaskMaprError):
    """The intent exists, but not in the mode that was asked for. `details.modes` lists its
    modes."""

    code, title, status = "mode_not_supported", "Mode not supported", 422


class AddressNotAllowed(TaskMaprError):
    """TaskMapr does not send requests to this address."""

    code, title, status = "address_not_allowed", "Address not allowed", 422


class CallbackUrlNotAllowed(AddressNotAllowed):
    """TaskMapr does not send callbacks to this address."""

    code, title = "callback_url_not_allowed", "Callback address not allowed"


class QuotaExceeded(TaskMaprError):
    """The quota is used up until `details.resets_at`."""

    code, title, status = "quota_exceeded", "Quota exceeded", 402


class IdempotencyKeyReused(TaskMaprError):
    """The `Idempotency-Key` was sent before with another body. Choose a new key for it."""

    code, title, status = "idempotency_key_reused", "Idempotency key reused", 422


class TooMany(TaskMaprError):
    """Too many requests. Wait for the seconds given in `Retry-After`."""

    code, title, status, retryable = "rate_limited", "Too many requests", 429, True

    def __init__(
        self, detail: str | None = None, *, retry_after_s: int = 60, **kwargs: Any
    ) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("Retry-After", str(max(1, retry_after_s)))


# 5xx: what a run or the service meets ---------------------------------------------------------


class MaxTurnsExceeded(TaskMaprError):
    """The agent used every model turn that a run may take without finishing its answer."""

    code, title = "max_turns_exceeded", "Too many model turns"


class ToolFailed(TaskMaprError):
    """Tool failed."""

    code, title = "tool_failed", "Tool failed"


#: Statuses by which a service says that the same request may succeed later.
_PASSING_STATUSES = frozenset({408, 425, 429, 502, 503, 504})


class ToolError(TaskMaprError):
    """A tool says by itself what went wrong; code, message and status are the tool's.

    `retryable`: the same call may succeed later; unless it is said, that follows from the status
    (408, 425, 429, 502, 503 and 504). A `Retry-After` among the headers says when at the earliest.
    """

    code, title, status = "tool_specific_error", "Tool error", 500
    has_own_codes = True

    def __init__(
        self,
        code: str,
        message: str | None = None,
        status: int = 500,
        *,
        retryable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, **kwargs)
        self.code, self.status = code, status  # type: ignore[misc]
        may_pass = status in _PASSING_STATUSES if retryable is None else retryable
        self.retryable = may_pass  # type: ignore[misc]


class TaskFailed(TaskMaprError):
    """A task ended without success; the code says why."""

    code, title = "task_failed", "Task failed"
    has_own_codes = True

    def __init__(
        self, code: str, message: str | None = None, *, retryable: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.code, self.retryable = code, retryable  # type: ignore[misc]


class WorkerLost(TaskMaprError):
    """The worker process that carried the run stopped. Ask again."""

    code, title, retryable = "worker_lost", "Worker lost", True


class UpstreamFailed(TaskMaprError):
    """A service that TaskMapr depends on failed."""

    code, title, status = "upstream_failed", "Upstream failed", 502
    #: False when a retry may help.
    permanent: ClassVar[bool] = False


class UpstreamError(UpstreamFailed):
    """The service that carries out this intent failed or refused it."""

    code, title, retryable = "upstream_error", "Upstream error", True


class ToolReportedError(UpstreamFailed):
    """The tool answered that it failed."""

    code, title = "tool_error", "Tool error"


class SshUnreachable(UpstreamFailed):
    """The host cannot be reached, or refused the connection."""

    code, title, retryable = "ssh_unreachable", "Host unreachable", True


class HostKeyMismatch(UpstreamFailed):
    """The host presented another key than the one that operators pinned. Nothing was sent."""

    code, title = "host_key_mismatch", "Host key mismatch"


class ToolCallFailed(UpstreamFailed):
    """A tool of another server failed, or what it answered cannot be read."""

    code, title = "tool_call_failed", "Tool call failed"


class OutcomeUnknown(ToolCallFailed):
    """A tool call was begun, and nobody knows whether it took effect. Look before repeating it."""

    code, title = "outcome_unknown", "Outcome unknown"


class ModelFailed(UpstreamFailed):
    """The language model is not reachable or failed."""

    code, title, retryable = "llm_unavailable", "Language model unavailable", True

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after_s: float | None = None,
        is_outage: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(detail, **kwargs)
        #: How long the provider asked to be left alone, None when it said nothing.
        self.retry_after_s = retry_after_s
        #: False: the provider works, and was not willing now (too many requests and the like).
        self.is_outage = is_outage


class ModelAuthFailed(ModelFailed):
    """The language model's provider refused the configured key."""

    code, title, retryable, permanent = "llm_auth_failed", "Model key refused", False, True


class ModelRefusedContext(ModelFailed):
    """The conversation is longer than the language model accepts."""

    code, title, retryable, permanent = "llm_refused_context", "Context too long", False, True


class ModelRequestRefused(ModelFailed):
    """The language model's provider refused the request as invalid."""

    code, title, retryable, permanent = "llm_request_refused", "Model refused request", False, True


class Unavailable(TaskMaprError):
    """Something that this request needs is down. Try again soon."""

    code, title, status, retryable = "unavailable", "Unavailable", 503, True

    def __init__(self, detail: str | None = None, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.headers.setdefault("Retry-After", "5")


class QueueUnavailable(Unavailable):
    """The queue (Redis) is down, so no run can be started."""

    code, title = "queue_unavailable", "Queue unavailable"


class DatabaseUnavailable(Unavailable):
    """The database is down."""

    code, title = "database_unavailable", "Database unavailable"


class ToolServerUnavailable(Unavailable):
    """The server of this tool cannot be reached. Runs go on without its tools."""

    code, title = "tool_server_unavailable", "Tool server unavailable"


class CircuitOpen(Unavailable):
    """The service failed several times in a row and is left alone for a while.

    `details.retry_after_s` is the header as well, so that an error which a log carried asks for
    the same pause as the one that was raised.
    """

    code, title = "circuit_open", "Circuit open"

    def __init__(self, detail: str | None = None, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        if (wait_s := self.details.get("retry_after_s")) is not None:
            self.headers["Retry-After"] = str(wait_s)


class NotConfigured(Unavailable):
    """What would carry this out is not configured on this server."""

    code, title, retryable = "not_configured", "Not configured", False


class McpUnavailable(Unavailable):
    """The MCP server of this intent cannot be reached."""

    code, title = "mcp_unavailable", "MCP server unavailable"


class AuthNotConfigured(Unavailable):
    """No way to sign in is configured on this server."""

    code, title, retryable = "auth_not_configured", "Sign-in not configured", False


class AuthUnavailable(Unavailable):
    """The keys of the identity provider cannot be fetched, so its tokens cannot be checked."""

    code, title = "auth_unavailable", "Identity provider unreachable"


class ModelNotConfigured(Unavailable):
    """No language model is configured. Set `OPENAI_API_KEY` or add a model profile."""

    code, title, retryable = "llm_not_configured", "No language model configured", False


class NoWorker(Unavailable):
    """No worker process took the run in time."""

    code, title = "no_worker", "No worker"


class TimedOut(TaskMaprError):
    """The run or a service that it waited for took longer than allowed."""

    code, title, status, retryable = "timed_out", "Timed out", 504, True


class TimeLimit(TimedOut):
    """The task took longer than it may."""

    code, title, retryable = "time_limit", "Time limit", False


def error_classes() -> Iterator[type[TaskMaprError]]:
    """Every class of the tree that has a code of its own, the root first, depth first, in order
    of definition."""

    def walk(cls: type[TaskMaprError]) -> Iterator[type[TaskMaprError]]:
        if not cls.has_own_codes:
            yield cls
        for child in cls.__subclasses__():
            yield from walk(child)

    return walk(TaskMaprError)


def error_class(code: str) -> type[TaskMaprError] | None:
    """The class that carries this code, or None."""
    return next((cls for cls in error_classes() if cls.code == code), None)


def error_meaning(code: str) -> str:
    """What the code says by itself, in words that quote nobody."""
    return (error_class(code) or ToolError).meaning()
