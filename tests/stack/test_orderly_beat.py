"""Beat that is asked to end while it works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from taskmapr.celery import app
from taskmapr.stack.orderly_beat import OrderlyBeat, OrderlyService


class Scheduler:
    """One whose every step is interrupted by a signal, and ends all the same."""

    def __init__(self, signum: signal.Signals) -> None:
        self.signum, self.told = signum, list[str]()

    def tick(self) -> float:
        self.told.append("step begins")
        os.kill(os.getpid(), self.signum)
        self.told.append("step ends")
        return 600.0

    def should_sync(self) -> bool:
        return True

    def _do_sync(self) -> None:
        self.told.append("went on")

    def close(self) -> None:
        self.told.append("closed")


@pytest.fixture(autouse=True)
def _handlers_come_back() -> Iterator[None]:
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.req("OV-10")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_step_end_and_no_other_begin(signum: signal.Signals) -> None:
    service = OrderlyService(app=app)
    service.scheduler = scheduler = Scheduler(signum)
    OrderlyBeat(app=app).install_sync_handler(service)

    service.start()

    assert scheduler.told == ["step begins", "step ends", "closed"]
