"""Django's PostgreSQL backend, which does not wait for a server that is known to be away.

The pool tries to connect for as long as a burst may wait for a free connection; during an outage
every request would wait so long for nothing.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from taskmapr.foundation.database_state import database_is_away, database_suspect

#: After so many seconds without a connection it is asked whether the server is there at all.
DOUBT_S: Final = 0.5


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: Any) -> Any:
        _refuse_while_away()
        if not self.pool:
            return super().get_new_connection(conn_params)
        self.isolation_level = IsolationLevel.READ_COMMITTED
        self.pool.open()
        try:
            return self.pool.getconn(timeout=DOUBT_S)
        except PoolTimeout:
            database_suspect()
        _refuse_while_away()
        return self.pool.getconn()


def _refuse_while_away() -> None:
    if database_is_away():
        raise OperationalError("Postgres is away")
