"""Requests as fast as they are answered, so many at once: `python -m benchmarks.hammer < job`.

The job is one JSON object {url, headers, body, count, at_once}; `{n}` in the body's strings becomes
the number of the request. Prints {took_s, latencies_ms, statuses, cpu_ms}.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from typing import Any

import aiohttp
import orjson


async def main(job: dict[str, Any]) -> dict[str, Any]:
    body = orjson.dumps(job["body"]).decode()
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    numbers = iter(range(job.get("first", 0), job.get("first", 0) + job["count"]))
    headers = {"Content-Type": "application/json", **job["headers"]}
    connector = aiohttp.TCPConnector(limit=job["at_once"])

    async def caller(session: aiohttp.ClientSession) -> None:
        for n in numbers:
            begun = time.perf_counter()
            data = body.replace("{n}", str(n)).encode()
            async with session.post(job["url"], data=data, headers=headers) as answer:
                await answer.read()
                statuses[answer.status] += 1
            latencies.append((time.perf_counter() - begun) * 1000)

    async with aiohttp.ClientSession(connector=connector) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(caller(session) for _ in range(job["at_once"])))
        took_s = time.perf_counter() - begun
    return {
        "took_s": took_s,
        "latencies_ms": latencies,
        "statuses": {str(status): count for status, count in statuses.items()},
        "cpu_ms": time.process_time() * 1000,
    }


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(main(orjson.loads(sys.stdin.buffer.read())))).decode())
