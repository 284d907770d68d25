"""Sending callbacks from a worker: many at once on its loop, each held by a lease.

Receivers are strangers: one that is slow costs a coroutine, one that misbehaves an attempt.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.module_loading import import_string

from orchestration.dialects.webhook import CALLBACKS, webhook_body
from orchestration.models import Run
from orchestration.models.delivery import DeliveryStatus
from orchestration.page.text import storable
from orchestration.services.deliveries import (
    HeldDelivery,
    Noted,
    Outcome,
    deliveries_claim,
    deliveries_mark_due,
    deliveries_send_soon,
    delivery_note,
    delivery_postpone,
    run_ended,
)
from orchestration.services.webhook_secrets import secrets_of, signature_headers
from taskmapr.core import wired
from taskmapr.core.errors import CircuitOpen, TaskMaprError
from taskmapr.core.ports import CallbackAnswer
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.http.breakers import circuit
from taskmapr.foundation.http.retries import retry_after_s
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)

#: Callbacks that one worker sends at the same time.
AT_ONCE: Final = 100
#: Characters of an answer that are kept.
EXCERPT: Final = 2_000
#: The sweep is too coarse for the first repeat; the worker that sent calls for it in time.
REMINDS_WITHIN_S: Final = 15.0

Submit = Callable[[Coroutine[Any, Any, Any]], "Future[Any]"]


class Courier:
    """This process's share of what is due."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._lock = threading.Lock()
        self._under_way = 0
        self._left_some = False
        #: Kept until done, so that they are not collected.
        self._calls: set[asyncio.Task[None]] = set()

    def go(self, submit: Submit) -> int:
        """Take what is due and begin to send it; returns how many. Does not wait for receivers.

        submit: runs a coroutine on the worker's loop. Called by any thread.
        """
        deliveries_mark_due()
        with self._lock:
            free = self._at_once - self._under_way
            held = deliveries_claim(free) if free else []
            self._under_way += len(held)
            self._left_some = len(held) == free
        for delivery in held:
            submit(self._carry(delivery))
        return len(held)

    async def _carry(self, held: HeldDelivery) -> None:
        try:
            noted = await delivery_send(held)
        except Exception:
            # Its lease lapses, and it is sent again.
            logger.exception("callback %s: lost by its worker", held.message_id)
            noted = None
        finally:
            self._one_done()
        delay_s = noted.delay_s if noted else None
        if delay_s is not None and delay_s <= REMINDS_WITHIN_S:
            await asyncio.sleep(delay_s)
            await in_database(deliveries_send_soon)

    def _one_done(self) -> None:
        with self._lock:
            self._under_way -= 1
            again, self._left_some = self._left_some, False
        if again:
            call = asyncio.get_running_loop().create_task(in_database(deliveries_send_soon))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)


#: The one of this process.
courier: Final = Courier()


async def delivery_send(held: HeldDelivery) -> Noted | None:
    """One attempt, from its making to its note.

    None when none was made (its host is left alone for a while) or another worker took it.
    """
    try:
        outcome = await _attempt(held)
    except CircuitOpen as left_alone:
        delay_s = float(left_alone.headers["Retry-After"])
        await in_database(delivery_postpone, held, delay_s)
        logger.info("callback %s: its host rests for %.0f s", held.message_id, delay_s)
        return None
    if outcome.excerpt and held.is_sealed:
        outcome = replace(outcome, excerpt=await in_database(_sealed, held, outcome.excerpt))
    noted = await in_database(delivery_note, held, outcome)
    if noted is not None:
        _tell(held, outcome, noted)
    return noted


def _tell(held: HeldDelivery, outcome: Outcome, noted: Noted) -> None:
    metrics.callback_counted(str(noted.status))
    logger.log(
        logging.INFO if noted.status == DeliveryStatus.DELIVERED else logging.WARNING,
        "callback %s of run %s for %s: attempt %d, %s in %d ms, %s",
        held.message_id,
        held.run_id,
        held.owner_id,
        held.attempts + 1,
        outcome.status_code or outcome.error,
        outcome.duration_ms,
        noted.status if noted.delay_s is None else f"again in {noted.delay_s:.0f} s",
    )


async def _attempt(held: HeldDelivery) -> Outcome:
    """Raises CircuitOpen when nothing was tried."""
    begun = time.monotonic()
    try:
        body, headers = await in_database(message_make, held)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # What is told of a run is made by other code: whatever is wrong with it counts as an
        # attempt, or the callback would come back for ever.
        logger.exception("callback %s cannot be made", held.message_id)
        return Outcome(duration_ms=_since(begun), error=f"not_made: {type(error).__name__}")
    try:
        answer = await _post(held.url, headers, body)
    except CircuitOpen:
        raise
    except TaskMaprError as error:
        return Outcome(duration_ms=_since(begun), error=f"{error.code}: {error.detail}")
    return _outcome_of(answer, _since(begun))


async def _post(url: str, headers: Mapping[str, str], body: bytes) -> CallbackAnswer:
    timeout_s = settings.TASKMAPR["callback_timeout_s"]
    async with circuit(f"callback:{urlsplit(url).hostname}", within_s=timeout_s) as call:
        post = wired.ports().callback_post()
        answer = await post(url, headers=headers, body=body, timeout_s=timeout_s)
        if answer.status >= 500:
            call.failed()
    return answer


def body_make(run: Run) -> bytes:
    """What is told of a run that is over, as it is now. Sync, reads the database.

    Raises KeyError for kinds of runs that have no callbacks, and what their document raises.
    """
    callback = CALLBACKS[run.kind]
    document = import_string(callback.document.replace(":", "."))
    return webhook_body(
        noun=callback.noun,
        status=run.status,
        at=run.finished_at or run.created_at,
        data=document(run.pk),
    )


def message_make(held: HeldDelivery) -> tuple[bytes, dict[str, str]]:
    """(raw body, signature headers) as they are at this moment. Sync, reads the database.

    Raises like `body_make`, and NotConfigured without a secret.
    """
    body = body_make(run_ended(held))
    secrets = secrets_of(held.owner_id)
    return body, signature_headers(message_id=held.message_id, body=body, secrets=secrets)


def _outcome_of(answer: CallbackAnswer, duration_ms: int) -> Outcome:
    return Outcome(
        duration_ms=duration_ms,
        status_code=answer.status,
        excerpt=storable(answer.body.decode(errors="replace"), EXCERPT),
        error="" if 200 <= answer.status < 300 else f"answered {answer.status}",
        retry_after_s=retry_after_s(answer.headers.get("retry-after")),
    )


def _sealed(held: HeldDelivery, excerpt: str) -> str:
    return wired.ports().sealers.for_user(held.owner_id).seal(excerpt)


def _since(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)
