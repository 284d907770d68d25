"""Everything that the test's database holds, as text: for searching what must not be there."""

from __future__ import annotations

from django.db import connection

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


def whole_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = [row[0] for row in cursor.fetchall()]
        assert len(tables) > 20
        texts = []
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} t")
            texts += [str(row[0]) for row in cursor.fetchall()]
    return "\n".join(texts)
