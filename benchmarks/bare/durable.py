"""One task of a durable queue in Postgres (procrastinate) that writes one row."""

from __future__ import annotations

import os

import procrastinate
from psycopg_pool import AsyncConnectionPool

_url = os.environ["DATABASE_URL"]
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=_url))
_rows: AsyncConnectionPool | None = None


@app.task(name="bare.row_write", queue="bare")
async def write(text: str) -> None:
    global _rows  # noqa: PLW0603 - one pool per worker
    if _rows is None:
        _rows = AsyncConnectionPool(_url, min_size=2, max_size=8, open=False)
        await _rows.open()
    async with _rows.connection() as connection:
        await connection.execute("INSERT INTO bare_rows (text) VALUES (%s)", [text])
