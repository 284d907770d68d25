"""Callbacks over HTTP, through the egress guard."""

from __future__ import annotations

from collections.abc import Mapping

from taskmapr.core.ports import CallbackAnswer
from taskmapr.foundation.http.exchange import guarded_request
from taskmapr.foundation.http.guard import egress_policy


async def callback_post(
    url: str, *, headers: Mapping[str, str], body: bytes, timeout_s: float
) -> CallbackAnswer:
    """See `CallbackPost`."""
    answer = await guarded_request(
        "POST",
        url,
        policy=egress_policy(),
        deadline_s=timeout_s,
        headers={**headers, "content-type": "application/json"},
        body=body,
    )
    return CallbackAnswer(status=answer.status, headers=answer.headers, body=answer.body)
