"""Readers who leave before they have heard anything."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from django.http import StreamingHttpResponse

from orchestration.api.streams import Followed, sse_frames, stream_response
from orchestration.live import live

pytestmark = pytest.mark.req("OV-23")


async def _response(run_id: UUID) -> StreamingHttpResponse:
    subscription = await live().subscribe(run_id)
    followed = Followed(run_id, None, kind="overlay", endpoint="test")
    frames = sse_frames(followed, subscription=subscription, known=[])
    return stream_response(frames, run_id=run_id, session_id=None, subscription=subscription)


async def _until_left(run_id: UUID) -> None:
    async with asyncio.timeout(20):
        while run_id in live().announcements.run_ids:
            await asyncio.sleep(0.01)


async def test_a_run_counts_as_unread_when_its_reader_left_before_the_first_byte(
    redis_url: str,
) -> None:
    run_id = uuid4()
    response = await _response(run_id)
    assert run_id in live().announcements.run_ids

    await asyncio.to_thread(response.close)

    await _until_left(run_id)
    await response._iterator.aclose()


async def test_and_when_it_left_while_it_waited_for_the_first_event(redis_url: str) -> None:
    run_id = uuid4()
    response = await _response(run_id)
    reading = asyncio.create_task(anext(aiter(response)))
    await asyncio.sleep(0)

    reading.cancel()
    await asyncio.wait([reading])
    await response._iterator.aclose()

    await _until_left(run_id)
