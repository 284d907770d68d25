"""Django's signals at the start of a request, where they only cost."""

from __future__ import annotations

from django.core.signals import request_started
from django.db import close_old_connections, reset_queries


def start_signals_quiet() -> None:
    """Disconnect what Django does to old connections when an ASGI request begins.

    The thread of an ASGI request has none, because the request before it gave its connection back
    to the pool when it ended; to find that out, Django would go to the thread at every request,
    also for those that never touch the database. What it does at the end of a request stays.
    """
    request_started.disconnect(close_old_connections)
    request_started.disconnect(reset_queries)
