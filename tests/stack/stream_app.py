"""An endless event stream at any path; `/plain` answers at once."""

from __future__ import annotations

import asyncio
from typing import Any

from taskmapr.stack.closing import ClosingStreams


async def endless(scope: Any, receive: Any, send: Any) -> None:
    kind = b"text/plain" if scope["path"] == "/plain" else b"text/event-stream"
    await receive()
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/plain":
        return await send({"type": "http.response.body", "body": b"ok"})
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        body = b'data: {"tick":1}\n\n'
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.wait([gone], timeout=0.05)
    return None


application = ClosingStreams(endless)
