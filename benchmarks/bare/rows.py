"""The one row that the bare view and the bare task write."""

from __future__ import annotations

from django.db import connection

TABLE = """
CREATE TABLE IF NOT EXISTS bare_rows (
  id bigserial PRIMARY KEY, text text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


def row_write(text: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bare_rows (text) VALUES (%s) RETURNING id", [text])
        (row_id,) = cursor.fetchone()
    return int(row_id)
