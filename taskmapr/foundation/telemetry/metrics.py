"""Figures about requests, streams, runs and tools, in Prometheus' form.

Every process of this machine keeps its own in files under `METRICS_DIR`, so that whichever web
process is asked shows all of them together. Where the setting is empty, and where the folder cannot
be made, a process keeps them in memory and shows its own alone.

To record costs microseconds; it is done once for a request, a stream, a run or a tool call, and
never for an event. Labels come from closed sets: routes as patterns, codes, names of tools.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from django.conf import settings

from taskmapr.core.errors import TooMany

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_DEPENDENCY_UP: Final = "taskmapr_dependency_up"
_DEPENDENCIES: Final = ("db", "redis", "mcp", "llm")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_STREAM_S: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_INTENT_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_FIRST_TOKEN_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_TOKENS_PER_S: Final = (1, 5, 10, 20, 30, 50, 75, 100, 150, 200, 400)
_MESSAGES: Final = (2, 4, 6, 10, 16, 24, 36, 50)

_TASK_S: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

Persistence = Literal["database", "memory", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that is measured."""

    registry: CollectorRegistry
    #: Where all processes keep their values; None: this one keeps its own in memory.
    folder: Path | None
    requests: Counter
    errors: Counter
    tool_calls: Counter
    tool_cost: Counter
    batches: Counter
    persistence: Counter
    callbacks: Counter
    intents: Counter
    intent_duration: Histogram
    replays: Counter
    tasks: Counter
    task_duration: Histogram
    task_wait: Histogram
    task_retries: Counter
    rate_limited: Counter
    stream_duration: Histogram
    first_token: Histogram
    token_rate: Histogram
    messages: Histogram
    open_streams: Gauge
    open_sockets: Gauge
    active_sessions: Gauge
    dependency_up: Gauge


@cache
def figures() -> Figures:
    """Made with the first figure: processes that measure nothing leave no files."""
    folder = _storage_choose()
    # The library decides on import where its values are kept.
    from prometheus_client import (  # noqa: PLC0415 - after the choice above
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        disable_created_metrics,
    )

    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()

    def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, registry=registry, buckets=buckets)

    def counter(name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=registry)

    def gauge(name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=registry, multiprocess_mode="livesum")

    return Figures(
        registry=registry,
        folder=folder,
        requests=counter("taskmapr_requests_total", "Requests", "endpoint", "method", "status"),
        errors=counter("taskmapr_errors_total", "Errors told to clients", "endpoint", "code"),
        tool_calls=counter(
            "taskmapr_tool_calls_total", "Tool calls that ended", "tool", "provider", "status"
        ),
        tool_cost=counter(
            "taskmapr_tool_cost_total", "What tool calls cost in US dollars", "tool", "provider"
        ),
        batches=counter(
            "taskmapr_batches_total", "Batches that tasks handled in browsers", "site", "outcome"
        ),
        persistence=counter(
            "taskmapr_session_persistence_total", "Where sessions of new runs are kept", "result"
        ),
        callbacks=counter("taskmapr_callbacks_total", "Attempts to send a callback", "status"),
        intents=counter("taskmapr_intents_total", "Intents that ended", "intent", "mode", "status"),
        intent_duration=histogram(
            "taskmapr_intent_duration_seconds", "From an intent's acceptance to its end", _INTENT_S
        ),
        tasks=counter("taskmapr_tasks_total", "Tasks that ended", "task_type", "status"),
        task_duration=histogram(
            "taskmapr_task_duration_seconds",
            "How long an attempt at a task took",
            _TASK_S,
            "task_type",
        ),
        task_wait=histogram(
            "taskmapr_task_wait_seconds", "From a task's assignment to its first attempt", _TASK_S
        ),
        task_retries=counter("taskmapr_task_retries_total", "Attempts that another one followed"),
        rate_limited=counter(
            "taskmapr_rate_limited_total", "Requests and sockets that came too often or too many"
        ),
        replays=counter(
            "taskmapr_idempotent_replays_total", "Requests answered by an equal earlier one"
        ),
        stream_duration=histogram(
            "taskmapr_stream_duration_seconds", "From a stream's first byte to its last", _STREAM_S
        ),
        first_token=histogram(
            "taskmapr_time_to_first_token_seconds",
            "From the request to the model's first output",
            _FIRST_TOKEN_S,
        ),
        token_rate=histogram(
            "taskmapr_tokens_per_second", "Output tokens from the first output on", _TOKENS_PER_S
        ),
        messages=histogram(
            "taskmapr_messages_per_session", "Messages of a session after each run", _MESSAGES
        ),
        open_streams=gauge("taskmapr_open_streams", "Streams that are being sent"),
        open_sockets=gauge("taskmapr_ws_connections", "Sockets that are open"),
        active_sessions=gauge("taskmapr_active_sessions", "Sessions with a run under way"),
        dependency_up=Gauge(
            _DEPENDENCY_UP,
            "1 works, 0 does not, NaN is not known or not configured",
            ["name"],
            registry=registry,
            multiprocess_mode="mostrecent",
        ),
    )


# Recording ---------------------------------------------------------------------------------------


def request_counted(*, endpoint: str, method: str | None, status: int, code: str) -> None:
    """code: of the problem that was answered; empty when all went well."""
    known = method if method in _METHODS else "other"
    figures().requests.labels(endpoint, known, status).inc()
    if status == TooMany.status:
        rate_limit_met()
    if code:
        error_counted(endpoint=endpoint, code=code)


def error_counted(*, endpoint: str, code: str) -> None:
    figures().errors.labels(endpoint, code).inc()


def rate_limit_met() -> None:
    """Somebody was told to come back later: by status 429, or by the close of a socket."""
    figures().rate_limited.inc()


def tool_counted(*, tool: str, provider: str, ok: bool, cost_usd_micros: int | None = None) -> None:
    """tool: a registry name. What a model made up must not become a label."""
    figures().tool_calls.labels(tool, provider, "completed" if ok else "failed").inc()
    if cost_usd_micros:
        figures().tool_cost.labels(tool, provider).inc(cost_usd_micros / 1_000_000)


def intent_ended(*, intent: str, mode: str, status: str, seconds: float) -> None:
    """intent: a name that operators or authors of tools gave. status: as jobs show it."""
    figures().intents.labels(intent, mode, status).inc()
    figures().intent_duration.observe(seconds)


def task_waited(seconds: float) -> None:
    figures().task_wait.observe(seconds)


def task_attempted(*, task_type: str, status: str, seconds: float) -> None:
    """task_type: of a type that is there. status: as tasks show it, or `retrying`."""
    figures().task_duration.labels(task_type).observe(seconds)
    if status == "retrying":
        figures().task_retries.inc()
    else:
        task_counted(task_type=task_type, status=status)


def task_counted(*, task_type: str, status: str) -> None:
    """The task is over."""
    figures().tasks.labels(task_type, status).inc()


def intent_replayed() -> None:
    figures().replays.inc()


def batches_counted(*, site: str, outcome: str, count: int) -> None:
    """site: one that operators described."""
    figures().batches.labels(site, outcome).inc(count)


def persistence_counted(result: Persistence) -> None:
    figures().persistence.labels(result).inc()


def callback_counted(status: str) -> None:
    """status: delivered, failed, disabled, or pending when it is tried again."""
    figures().callbacks.labels(status).inc()


def stream_opened() -> None:
    figures().open_streams.inc()


def stream_closed(seconds: float) -> None:
    figures().open_streams.dec()
    figures().stream_duration.observe(seconds)


def socket_opened() -> None:
    figures().open_sockets.inc()


def socket_closed() -> None:
    figures().open_sockets.dec()


def session_active(change: Literal[1, -1]) -> None:
    figures().active_sessions.inc(change)


def first_token_measured(seconds: float) -> None:
    figures().first_token.observe(seconds)


def token_rate_measured(tokens: int, seconds: float) -> None:
    """Nothing is measured when a provider does not count or all came at once."""
    if tokens > 0 and seconds > 0:
        figures().token_rate.observe(tokens / seconds)


def messages_measured(count: int) -> None:
    figures().messages.observe(count)


def model_answered(ok: bool) -> None:
    """The last outcome of any process is what `dependency_up` tells of models."""
    figures().dependency_up.labels("llm").set(1 if ok else 0)


# Showing -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What is asked when the page is, instead of being recorded."""

    #: 1, 0 or NaN by name; those that are left out are taken from what was recorded.
    dependencies: Mapping[str, float] = field(default_factory=dict)
    #: 0 closed, 1 half-open, 2 open, by service.
    circuits: Mapping[str, float] = field(default_factory=dict)
    #: Jobs that wait, by queue; none when nobody knows.
    queue_depth: Mapping[str, int] = field(default_factory=dict)
    #: Workers that live; None when nobody knows.
    workers: int | None = None


def metrics_text(now: Now) -> bytes:
    """The page for Prometheus. Reads files: a matter of milliseconds, not for an event loop."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see figures

    shown = CollectorRegistry()
    shown.register(_Page(now))
    return generate_latest(shown)


class _Page:
    """A collector: what all processes recorded, and the state of what they depend on."""

    def __init__(self, now: Now) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        up = {**dict.fromkeys(_DEPENDENCIES, math.nan), **self._now.dependencies}
        for metric in _recorded():
            if metric.name != _DEPENDENCY_UP:
                yield metric
                continue
            recorded = {sample.labels["name"]: sample.value for sample in metric.samples}
            up = {**up, **recorded, **self._now.dependencies}
        yield _gauge(_DEPENDENCY_UP, "1 works, 0 does not, NaN: not known", "name", up)
        yield _gauge(
            "taskmapr_circuit_state",
            "0 closed, 1 half-open, 2 open",
            "service",
            self._now.circuits,
        )
        yield _gauge(
            "taskmapr_queue_depth", "Jobs that wait for a worker", "queue", self._now.queue_depth
        )
        workers = math.nan if self._now.workers is None else float(self._now.workers)
        yield _gauge("taskmapr_workers", "Workers that live, of all machines", "", {"": workers})


def _gauge(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """label: what tells the values apart; empty: there is one value."""
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - see figures

    family = GaugeMetricFamily(name, meaning, None, [label] if label else [])
    for told, value in values.items():
        family.add_metric([told] if label else [], value)
    return family


def _recorded() -> Iterator[Metric]:
    folder = figures().folder
    if folder is None:
        yield from figures().registry.collect()
        return
    from prometheus_client.multiprocess import (  # noqa: PLC0415 - see figures
        MultiProcessCollector,
        mark_process_dead,
    )

    for pid in _dead(folder):
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
    yield from MultiProcessCollector(None, str(folder)).collect()  # type: ignore[no-untyped-call]


# Files -------------------------------------------------------------------------------------------


def metrics_clean() -> None:
    """Begin at nothing: figures of earlier starts are gone. For the start of a whole stack."""
    if settings.METRICS_DIR:
        shutil.rmtree(settings.METRICS_DIR, ignore_errors=True)


def _storage_choose() -> Path | None:
    """Tell the library where values are kept, in the only way that it has."""
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if not settings.METRICS_DIR:
        return None
    folder = Path(settings.METRICS_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("metrics are kept in memory: %s: %s", folder, error.strerror)
        return None
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


def _dead(folder: Path) -> set[int]:
    """Processes whose gauges are still there. What they counted stays counted."""
    pids = {int(file.stem.rsplit("_", 1)[1]) for file in folder.glob("gauge_live*.db")}
    return {pid for pid in pids if not _lives(pid)}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
