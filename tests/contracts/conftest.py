"""Runs and requests, as the tests of the code itself have them."""

from __future__ import annotations

from tests.orchestration.api.conftest import call
from tests.orchestration.conftest import ada, cyd, live_log, ports, queue, signals, start

__all__ = ["ada", "call", "cyd", "live_log", "ports", "queue", "signals", "start"]
