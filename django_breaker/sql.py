"""The table of a DatabaseCache, reached through Django's own database back ends.

The statements are the core's. This module only opens a connection of our own for the core's worker
thread, so that no request's transaction and no thread's connection is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db import (
    DEFAULT_DB_ALIAS,
    OperationalError,
    ProgrammingError,
    connections,
    router,
)
from django.utils import timezone

from breaker_core import ConfigurationError
from breaker_core.stores import SqlConnection, SqlTexts, use_django_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from django.db.backends.base.base import BaseDatabaseWrapper

SETTINGS = {
    "sqlite": "PRAGMA busy_timeout = 200",
    "postgresql": "SET statement_timeout = 250",
}
"""What a new connection is told, so that a lock cannot hold it longer than callers wait."""
REFUSED = {"oracle": "Oracle cannot compare the texts of a cache table"}


def register() -> None:
    """Let ``CacheStore`` accept Django's DatabaseCache. Does no I/O."""
    use_django_tables(open_table)


def open_table(cache: Any) -> SqlTexts:
    """Return the texts in the table of *cache*; raise ConfigurationError."""
    alias = router.db_for_write(cache.cache_model_class)
    if alias is None or alias not in connections.settings:
        raise ConfigurationError(
            f"the database {alias!r} of the cache table {cache._table!r} is not in DATABASES"
        )
    wrapper = connections.create_connection(alias)
    if wrapper.vendor in REFUSED:
        raise ConfigurationError(f"DatabaseCache cannot share breakers: {REFUSED[wrapper.vendor]}")
    return SqlTexts(_Database(alias, cache._table, wrapper))


class _Database:
    """The table *name* in the database *alias*."""

    def __init__(self, alias: str, name: str, wrapper: BaseDatabaseWrapper) -> None:
        self._alias = alias
        self._name = name
        self._vendor = wrapper.vendor
        self.table = wrapper.ops.quote_name(name)

    def connect(self) -> SqlConnection:
        wrapper = connections.create_connection(self._alias)
        wrapper.ensure_connection()
        if (
            wrapper.vendor == "sqlite"
        ):  # it keeps any bytes as text, one bad row must spoil no other
            driver: Any = wrapper.connection
            driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        connection = _Connection(wrapper)
        try:
            if wrapper.vendor in SETTINGS:
                connection.execute(SETTINGS[wrapper.vendor], {})
            self._try_table(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _try_table(self, connection: SqlConnection) -> None:
        """Raise an error that says what to do when there is no such table."""
        try:
            connection.execute(f"SELECT 1 FROM {self.table} WHERE 1 = 0", {})  # noqa: S608
        except ProgrammingError as error:  # OperationalError on SQLite, and on a server in trouble
            raise self._no_table() from error
        except OperationalError as error:
            if "no such table" in str(error):
                raise self._no_table() from error
            raise

    def _no_table(self) -> LookupError:
        database = "" if self._alias == DEFAULT_DB_ALIAS else f" --database {self._alias}"
        return LookupError(
            f"there is no table {self._name!r} in the database {self._alias!r}: "
            f"run 'manage.py createcachetable{database}'"
        )

    def describe(self) -> str:
        return f"table {self._name!r} of database {self._alias!r} ({self._vendor})"


class _Connection:
    """One of Django's database connections as the core's statements use it."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self._wrapper = wrapper

    def execute(
        self, statement: str, values: Mapping[str, object]
    ) -> tuple[Sequence[Sequence[Any]], int]:
        with self._wrapper.cursor() as cursor:
            cursor.execute(statement, cast("dict[str, Any]", values) if values else None)
            rows = cursor.fetchall() if cursor.description else []
            return rows, cursor.rowcount

    def time(self, when: datetime) -> object:
        local = when if settings.USE_TZ else timezone.make_naive(when)
        return self._wrapper.ops.adapt_datetimefield_value(local)

    def close(self) -> None:
        self._wrapper.close()
        kept = self._wrapper.connection
        if kept is not None:  # Django never closes a SQLite database in memory
            kept.close()
