"""Texts in a database table of the shape of Django's cache table.

The statements live here, once; how to open a connection is a ``SqlDatabase``'s business (one for
SQLAlchemy in this package, one for Django's databases in ``django_breaker``). A worker thread runs
them on a connection of its own and callers wait a bounded time for it: so the transaction of a
request cannot roll a failure back, and a server that froze cannot hold a call.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from breaker_core.stores.base import DAY, ROOT, SeenText, SharedStore, Stored, StoreError
from breaker_core.stores.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FAR = datetime(9990, 1, 1, tzinfo=UTC)
"""Records never expire by the row: the cache's owner would delete them."""
MOST_KEYS = 400
"""Keys in one SELECT; databases limit the number of parameters."""
SWEEP_ONE_IN = 100
"""One write of a row that expires, in so many, also deletes the rows of processes long gone."""
ROWS_KEPT = timedelta(days=1)

SELECT = "SELECT cache_key, value FROM {table} WHERE cache_key IN ({keys})"
UPDATE = (
    "UPDATE {table} SET value = %(value)s, expires = %(expires)s "
    "WHERE cache_key = %(key)s AND value = %(seen)s"
)
UPDATE_BYTES = UPDATE.replace("AND value =", "AND CAST(value AS BLOB) =")
"""For a value that is no text: only SQLite returns such, and a text never equals bytes there."""
INSERT = "INSERT INTO {table} (cache_key, value, expires) VALUES (%(key)s, %(value)s, %(expires)s)"
OVERWRITE = "UPDATE {table} SET value = %(value)s, expires = %(expires)s WHERE cache_key = %(key)s"
SWEEP = (
    "DELETE FROM {table} WHERE cache_key >= %(root)s AND cache_key LIKE %(ours)s "
    "AND expires < %(before)s"
)
"""The first condition lets an index serve; the second is true whatever a database's alphabet."""


class SqlConnection(Protocol):
    """One open connection in autocommit mode, used by one thread."""

    def execute(
        self, statement: str, values: Mapping[str, object]
    ) -> tuple[Sequence[Sequence[Any]], int]:
        """Run *statement* (values as ``%(name)s``); return its rows and how many it changed.

        A text in a row that is not valid UTF-8 comes with surrogate escapes, or as bytes.
        """
        ...

    def time(self, when: datetime) -> object:
        """Return *when* (aware, UTC) as the column ``expires`` wants it."""
        ...

    def close(self) -> None:
        """Close the connection; may raise."""
        ...


class SqlDatabase(Protocol):
    """Where the table is, and how to get there."""

    table: str
    """The table's name, quoted for a statement."""

    def connect(self) -> SqlConnection:
        """Open a connection of our own, in the calling thread; may raise anything."""
        ...

    def describe(self) -> str:
        """Return what operators call this table, without any secret."""
        ...


class SqlTexts(SharedStore):
    """Texts under whole keys in one table."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._worker = Worker(database.connect)

    def load(self, keys: Iterable[str]) -> Mapping[str, SeenText]:
        wanted = list(keys)
        return self._worker.run(lambda connection: self._select(connection, wanted))

    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        short = seconds if seconds is not None and seconds < DAY else None
        try:
            return self._worker.run(
                lambda connection: self._swap(connection, key, seen, text, short)
            )
        except StoreError:
            return Stored.UNCLEAR

    def publish(self, key: str, text: str, *, seconds: int) -> None:
        self._worker.run(lambda connection: self._put(connection, key, text, seconds))

    def after_storing(self, text: str) -> SeenText:
        return SeenText(text, text)

    def describe(self) -> str:
        return self._database.describe()

    def close(self) -> None:
        self._worker.close()

    def after_fork(self) -> None:
        self._worker.after_fork()

    def _select(self, connection: SqlConnection, keys: list[str]) -> dict[str, SeenText]:
        found: dict[str, SeenText] = dict.fromkeys(keys, SeenText(None))
        for start in range(0, len(keys), MOST_KEYS):
            some = keys[start : start + MOST_KEYS]
            names = {f"k{number}": key for number, key in enumerate(some)}
            marks = ", ".join(f"%({name})s" for name in names)
            rows, _ = connection.execute(
                SELECT.format(table=self._database.table, keys=marks), names
            )
            found.update((key, _seen(value)) for key, value in rows)
        return found

    def _swap(
        self, connection: SqlConnection, key: str, seen: SeenText, text: str, seconds: int | None
    ) -> Stored:
        values = {"key": key, "value": text, "expires": _expiry(connection, seconds)}
        if seen.text is None:
            done = self._insert(connection, values)
        else:
            update = UPDATE_BYTES if isinstance(seen.token, bytes) else UPDATE
            done = self._execute(connection, update, {**values, "seen": seen.token}) == 1
        if seconds is not None:
            self._sweep_sometimes(connection)
        return Stored.STORED if done else Stored.LOST

    def _insert(self, connection: SqlConnection, values: Mapping[str, object]) -> bool:
        """Insert a row; false when its key is taken."""
        try:
            self._execute(connection, INSERT, values)
        except Exception as error:
            if not any(kind.__name__ == "IntegrityError" for kind in type(error).__mro__):
                raise
            return False
        return True

    def _put(self, connection: SqlConnection, key: str, text: str, seconds: int) -> None:
        values = {"key": key, "value": text, "expires": _expiry(connection, seconds)}
        if not self._execute(connection, OVERWRITE, values):
            self._insert(connection, values)
        self._sweep_sometimes(connection)

    def _sweep_sometimes(self, connection: SqlConnection) -> None:
        """Delete, now and then, what processes published or probed that are long gone."""
        if random.randrange(SWEEP_ONE_IN) == 0:
            before = connection.time(datetime.now(UTC) - ROWS_KEPT)
            self._execute(connection, SWEEP, {"root": ROOT, "ours": f"{ROOT}%", "before": before})

    def _execute(
        self, connection: SqlConnection, statement: str, values: Mapping[str, object]
    ) -> int:
        return connection.execute(statement.format(table=self._database.table), values)[1]


def _expiry(connection: SqlConnection, seconds: int | None) -> object:
    if seconds is None:
        return connection.time(FAR)
    return connection.time(datetime.now(UTC) + timedelta(seconds=seconds))


def _seen(value: str | bytes) -> SeenText:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    text = raw.decode("utf-8", "replace")
    return SeenText(text, value if text == value else raw)
