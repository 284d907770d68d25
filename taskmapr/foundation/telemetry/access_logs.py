"""Access logs of the ASGI servers, for those who switch them on: addresses may carry tokens.

`manage.py up` and the image start every server without an access log. Daphne writes its own past
Python's logging, so there it has to stay off.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from taskmapr.foundation.telemetry.logs import redacted

_LOGGERS: Final = ("uvicorn.access", "uvicorn.error", "granian.access", "_granian")


class _Mask(logging.Filter):
    """Takes secrets out of a line's parts, which the server's own formatter reads one by one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            record.msg = redacted(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_masked, record.args))
        elif isinstance(record.args, Mapping):
            record.args = {name: _masked(part) for name, part in record.args.items()}
        return True


def access_logs_mask() -> None:
    """From now on no access log of this process shows a token. Repeating it changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Mask) for one in logger.filters):
            logger.addFilter(_Mask())


def _masked(part: Any) -> Any:
    return redacted(part) if isinstance(part, str) else part
