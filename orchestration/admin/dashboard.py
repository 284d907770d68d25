"""The admin's first page: how the service does, over a window that the reader chooses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from agents_cfg.selectors.mcp import McpState, mcp_state
from agents_cfg.selectors.profiles import endpoint_for, profile_choose
from orchestration.admin.charts import Chart, Plot, Series, stacked_bars
from orchestration.admin.run_charts import cost_chart, ends_chart, percentile_chart
from orchestration.selectors.analytics import (
    TOOL_RUNS,
    WINDOWS,
    Activity,
    ModelUse,
    Window,
    activity,
    errors_by_code,
    models_used,
    open_work,
    running_tasks,
    tools_used,
)
from taskmapr.core import wired
from taskmapr.core.errors import ModelNotConfigured, QueueUnavailable
from taskmapr.core.ports import WorkerInfo
from taskmapr.foundation.figures import NONE, UNKNOWN, count_text, money_text

DEFAULT_WINDOW: Final = "24h"
#: Tasks that are named as running; the number has all.
RUNNING_TASKS: Final = 20
#: Models in a chart; the table has all.
CHARTED_MODELS: Final = 7


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The theme's callback for its index page. Who may not see runs gets the list of sections."""
    if not request.user.has_perm("orchestration.view_run"):
        return context
    window = WINDOWS.get(request.GET.get("window", ""), WINDOWS[DEFAULT_WINDOW])
    return {**context, "title": "Dashboard", "dashboard": _figures(window, datetime.now(UTC))}


def _figures(window: Window, now: datetime) -> dict[str, Any]:
    whole, periods = activity(window, now=now)
    since = window.starts(now)[0]
    models = models_used(since)
    return {
        "window": window,
        "windows": list(WINDOWS.values()),
        "whole": whole,
        "share": _share(whole),
        "cost": _cost(models),
        "unpriced": sum(model.unpriced for model in models),
        "tokens": _tokens(models),
        "charts": [*_charts(window, periods), *_model_charts(models)],
        "models": [_model_row(model, window) for model in models],
        "errors": [
            {"row": row, "url": _runs(since=window.name, error=row.code)}
            for row in errors_by_code(since)
        ],
        "tools": tools_used(since),
        "tool_runs": min(TOOL_RUNS, whole.runs),
        "links": {
            "runs": _runs(since=window.name),
            "troubled": _runs(since=window.name, status="troubled"),
            "slow": _runs(since=window.name, look="slow"),
            "slow_start": _runs(since=window.name, look="slow_start"),
            "unpriced": _runs(since=window.name, look="unpriced"),
            "costly": _runs(since=window.name, look="costly"),
            "paused": _runs(status="paused"),
            "work": f"{reverse('admin:work_figures')}?{urlencode({'window': window.name})}",
        },
        "open": _open(),
        "now": now,
    }


def _share(whole: Activity) -> str:
    ended = whole.runs - whole.still_open
    return f"{100 * whole.troubled / ended:.1f} % of those that ended" if ended else "none ended"


def _charts(window: Window, periods: Sequence[Activity]) -> list[Chart]:
    labels = [period.since.strftime(window.label) for period in periods if period.since]
    return [
        ends_chart("Runs by how they ended", "Runs", labels, periods),
        percentile_chart("duration", "How long runs took", labels, periods),
        percentile_chart("first_output", "Time to the first word", labels, periods),
    ]


def _model_charts(models: Sequence[ModelUse]) -> list[Chart]:
    charted = models[:CHARTED_MODELS]
    labels = [(model.model or NONE).rpartition("/")[2] for model in charted]
    tokens = stacked_bars(
        Plot(
            name="tokens",
            title="Tokens by model",
            x_title="Model",
            y_title="Tokens",
            labels=labels,
            series=[
                Series(key="p50", title="In", values=[model.input_tokens for model in charted]),
                Series(key="p95", title="Out", values=[model.output_tokens for model in charted]),
            ],
            words=count_text,
        )
    )
    micros = [model.cost_usd_micros for model in charted]
    cost = cost_chart("Known cost by model", "Model", labels, micros)
    return [tokens, cost]


def _model_row(model: ModelUse, window: Window) -> dict[str, Any]:
    tokens = model.input_tokens + model.output_tokens
    return {
        "row": model,
        "cost": money_text(model.cost_usd_micros, tokens=tokens),
        "url": _runs(since=window.name, model=model.model),
    }


def _tokens(models: Sequence[ModelUse]) -> dict[str, int]:
    return {
        "input": sum(model.input_tokens for model in models),
        "output": sum(model.output_tokens for model in models),
    }


def _cost(models: Sequence[ModelUse]) -> str:
    known = [m.cost_usd_micros for m in models if m.cost_usd_micros is not None]
    tokens = sum(_tokens(models).values())
    return money_text(sum(known) if known else None, tokens=tokens)


def _runs(**filters: str) -> str:
    return f"{reverse('admin:orchestration_run_changelist')}?{urlencode(filters)}"


def _open() -> dict[str, Any]:
    """What waits and what works now; without Redis nobody knows of workers and queues."""
    signals = wired.ports().signals
    workers: list[WorkerInfo] = []
    depths: dict[str, int] = {}
    try:
        workers = signals.workers()
        depths = signals.queue_depths(settings.QUEUES)
    except QueueUnavailable:
        has_redis = False
    else:
        has_redis = True
    return {
        "work": open_work(),
        "workers": workers,
        "queues": sorted(depths.items()),
        "tasks": running_tasks(RUNNING_TASKS),
        "dependencies": _dependencies(has_redis, len(workers)),
    }


def _dependencies(has_redis: bool, workers: int) -> list[tuple[str, str, str]]:
    """Name, state (of the badge) and words. The database answered, or there were no page."""
    redis = ("healthy", "connected") if has_redis else ("unhealthy", "not reachable")
    alive = ("healthy", f"{workers} alive") if workers else ("unhealthy", "none alive")
    if not has_redis:
        alive = ("degraded", UNKNOWN)
    return [
        ("Database", "healthy", "connected"),
        ("Redis", *redis),
        ("Workers", *alive),
        ("Model", *_model_state()),
        ("MCP servers", *_MCP_STATES[mcp_state()]),
    ]


_MCP_STATES: Final[dict[McpState, tuple[str, str]]] = {
    "available": ("healthy", "available"),
    "unavailable": ("degraded", "not all reachable"),
    "not configured": ("cancelled", "none set up"),
}


def _model_state() -> tuple[str, str]:
    """What the default profile's runs are answered by."""
    try:
        endpoint = endpoint_for(profile_choose(name=None, origin=None))
    except ModelNotConfigured:
        return "unhealthy", "none set up"
    if endpoint.adapter == "offline":
        return "degraded", "built-in stand-in"
    return "healthy", endpoint.model
