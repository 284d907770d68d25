"""Celery's beat, ended between two of its steps."""

from __future__ import annotations

import os
import select
import signal
from typing import Any

from celery.apps.beat import Beat
from celery.beat import Service
from celery.signals import beat_init


class OrderlyService(Service):  # type: ignore[misc]
    """A signal ends its rest. Celery's own raises an exception wherever it is, also amid a
    statement to the database, and then writes its schedule over the broken connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asked, self._ask = os.pipe()
        os.set_blocking(self._ask, False)

    def end(self) -> None:
        """`start` returns after the step that it is at. For signal handlers too."""
        os.write(self._ask, b"!")

    def start(self, embedded_process: bool = False) -> None:
        beat_init.send(sender=self)
        try:
            while not self._was_asked_in(self.scheduler.tick()):
                if self.scheduler.should_sync():
                    self.scheduler._do_sync()
        finally:
            self.sync()

    def _was_asked_in(self, seconds: float | None) -> bool:
        ready, _, _ = select.select([self._asked], [], [], max(seconds or 0, 0))
        return bool(ready)


class OrderlyBeat(Beat):  # type: ignore[misc]
    Service = OrderlyService

    def install_sync_handler(self, service: OrderlyService) -> None:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: service.end())
