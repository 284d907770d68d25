"""The web process: what uvicorn, granian or daphne serve."""

from __future__ import annotations

import os
from typing import Any

import django

from taskmapr.foundation.collector import collector_settle, collector_spare

collector_spare()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskmapr.settings")
django.setup(set_prefix=False)

# After Django's set-up, which these need.
from taskmapr.foundation.bodies import body_limited  # noqa: E402
from taskmapr.foundation.request_signals import start_signals_quiet  # noqa: E402
from taskmapr.foundation.request_threads import LendingHandler  # noqa: E402
from taskmapr.foundation.telemetry.access_logs import access_logs_mask  # noqa: E402
from taskmapr.routing import by_protocol  # noqa: E402
from taskmapr.stack.children import die_with_parent  # noqa: E402
from taskmapr.stack.closing import ClosingStreams  # noqa: E402

#: Any, because servers and frameworks spell the types of ASGI differently.
django_application: Any = LendingHandler()
start_signals_quiet()
access_logs_mask()
if "TASKMAPR_SUPERVISED" in os.environ:
    # Some servers serve from processes of their own, which the supervisor does not know.
    die_with_parent()

application = ClosingStreams(body_limited(by_protocol(django_application)))
collector_settle()
