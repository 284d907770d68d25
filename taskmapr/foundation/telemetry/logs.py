"""Log lines: JSON for machines, plain text for developers, and no secrets in either.

Lines carry the ids bound to the present context (`bind`). Contexts follow asyncio tasks and
`foundation.aio.in_database` by themselves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from taskmapr.core.timestamps import timestamp_of

_IDS: Final = ("request_id", "run_id", "session_id", "user_id")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_bound: ContextVar[Mapping[str, str]] = ContextVar("taskmapr_log_ids", default=_NONE)

#: Extra attributes that a line may carry beside the message (`logger.info(..., extra={...})`).
_EXTRAS: Final = (
    "method",
    "path",
    "status",
    "duration_ms",
    "tokens",
    "tool",
    "code",
    "task_id",
    "task_type",
    "event",
    "attempt",
    "delay_s",
)

_MASK: Final = "[redacted]"
_SECRETS: Final = (
    re.compile(r"(?i)(\bbearer\s+)[^\s\"',;]+"),
    re.compile(r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"',;]+"),
    re.compile(
        r"(?i)([\"'?&\s(]?\b(?:access_token|refresh_token|id_token|token|password|passwd|secret"
        r"|client_secret|api[_-]?key|x-api-key)[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;)}]+"
    ),
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    re.compile(r"()\b(?:tm|sk|rk|whsec)_[\w-]{12,}"),
    re.compile(r"()\bsk-[\w-]{12,}"),
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)"),
)


#: Each pattern wants one of these; most lines have none, and looking for them costs little.
_HINTS: Final = (
    *("bearer", "authorization", "token", "passw", "secret", "key", "eyj"),
    *("tm_", "sk_", "rk_", "whsec_", "sk-", "://"),
)


def bind(**ids: Any) -> None:
    """Add ids (request_id, run_id, session_id, user_id) to every later line of this context."""
    _bound.set({**_bound.get(), **{name: str(value) for name, value in ids.items() if value}})


def bind_only(**ids: Any) -> None:
    """Forget what was bound and bind these: the start of a request or of a job."""
    _bound.set({name: str(value) for name, value in ids.items() if value})


@contextmanager
def bound(**ids: Any) -> Iterator[None]:
    """`bind` for the length of a block."""
    token = _bound.set({**_bound.get(), **{name: str(v) for name, v in ids.items() if v}})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_id(name: str) -> str:
    """The bound id of that name, or an empty string."""
    return _bound.get().get(name, "")


def redacted(text: str) -> str:
    """The text without passwords, tokens, keys and credentials in URLs."""
    small = text.lower()
    if not any(hint in small for hint in _HINTS):
        return text
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<1>{_MASK}", text)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFiles:
    """Lines that are also kept in files, as JSON."""

    folder: Path
    #: Size at which a file is put aside, and how many of those are kept.
    max_bytes: int
    backups: int
    #: Which loggers' lines go into which file.
    loggers: Mapping[str, Sequence[str]]


def logging_config(
    *, json: bool, level: str = "INFO", files: LogFiles | None = None
) -> dict[str, Any]:
    """Django's LOGGING. json: one JSON object per line; else plain text. level: of our loggers.

    Lines go to standard error; those that files keep go to standard output beside their file.
    """
    formatter = "json" if json else "plain"
    config = _to_stderr(formatter, level)
    if files is not None:
        stdout = {"class": "logging.StreamHandler", "formatter": formatter}
        config["handlers"]["stdout"] = {**stdout, "stream": "ext://sys.stdout"}
        for name, loggers in files.loggers.items():
            config["handlers"][name] = _file_handler(files, name)
            for logger in loggers:
                config["loggers"][logger] = {"handlers": [name, "stdout"], "propagate": False}
    return config


def _file_handler(files: LogFiles, name: str) -> dict[str, Any]:
    return {
        "class": "taskmapr.foundation.telemetry.log_files.LogFile",
        "formatter": "json",
        "path": str(files.folder / name),
        "max_bytes": files.max_bytes,
        "backups": files.backups,
    }


def _to_stderr(formatter: str, level: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "taskmapr.foundation.telemetry.logs.JsonFormatter"},
            "plain": {"()": "taskmapr.foundation.telemetry.logs.PlainFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": formatter}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            **{
                app: {"level": level}
                for app in ("taskmapr", "orchestration", "agents_cfg", "memory")
            },
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Django repeats what the problem translator has logged or answered.
            "django.request": {"level": "ERROR"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "celery": {"level": "INFO"},
            # Two lines per job would double what a run costs; the run's own log says more.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Each attempt to connect during an outage; what matters of it is said once.
            "psycopg.pool": {"level": "ERROR"},
        },
    }


class JsonFormatter(logging.Formatter):
    """timestamp, level, logger, message, the bound ids, known extras and the traceback.

    A record is formatted once, for however many handlers.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: str | None = getattr(record, "json_line", None)
        if line is None:
            line = record.json_line = self._line(record)
        return line

    def _line(self, record: logging.LogRecord) -> str:
        ids = _bound.get()
        line: dict[str, Any] = {
            "timestamp": _iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        line.update({name: ids.get(name) for name in _IDS})
        line.update({name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)})
        if trace := _trace(self, record):
            line["traceback"] = trace
        return orjson.dumps(line, default=str).decode()


class PlainFormatter(logging.Formatter):
    """For eyes: time, level, logger, message, and the bound ids in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in _bound.get().items())
        time = _iso(record.created)[11:23]
        line = f"{time} {record.levelname:<7} {record.name}: {redacted(record.getMessage())}"
        trace = _trace(self, record)
        return f"{line}{f' [{ids}]' if ids else ''}" + (f"\n{trace}" if trace else "")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return redacted(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _iso(seconds: float) -> str:
    return timestamp_of(datetime.fromtimestamp(seconds, UTC))
