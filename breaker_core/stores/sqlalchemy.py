"""The database table by way of SQLAlchemy: only the URL of an engine is taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from breaker_core.errors import ConfigurationError
from breaker_core.stores.base import ESCAPES, NOT_SHOWN
from breaker_core.stores.sql import SqlConnection, SqlTexts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} ("
    "cache_key VARCHAR(255) NOT NULL PRIMARY KEY, value {text} NOT NULL, expires {time} NOT NULL)"
)
"""The shape that Django's ``createcachetable`` gives its table, so that both can share one."""
TIME_TYPES = {"postgresql": "TIMESTAMP WITH TIME ZONE", "mysql": "DATETIME(6)"}
TEXT_TYPES = {"mysql": "LONGTEXT"}
SETTINGS = {
    "sqlite": ["PRAGMA busy_timeout = 200"],
    "postgresql": ["SET statement_timeout = 250"],
}
"""What a new connection is told, so that a lock cannot hold it longer than callers wait."""


class AlchemyDatabase:
    """A table in the database that an SQLAlchemy URL names; made on first use."""

    def __init__(self, url: Any, table: str) -> None:
        engine = _engine(url)
        self._engine = engine
        self._dialect = str(engine.dialect.name)
        self._name = table
        self.table = str(engine.dialect.identifier_preparer.quote(table))

    def connect(self) -> SqlConnection:
        plain = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if self._dialect == "sqlite":  # it keeps any bytes as text, one bad row must spoil no other
            driver: Any = plain.connection.driver_connection
            driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        connection = _Connection(plain, self._dialect)
        try:
            for statement in SETTINGS.get(self._dialect, []):
                connection.execute(statement, {})
            self._make_table(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def describe(self) -> str:
        plain = self._engine.url.set(query={})  # a password may stand in a query too
        return f"table {self._name!r} of {plain.render_as_string(hide_password=True)}"

    def _make_table(self, connection: SqlConnection) -> None:
        """Make the table if it is missing; another process may do so at the same moment."""
        text = TEXT_TYPES.get(self._dialect, "TEXT")
        time = TIME_TYPES.get(self._dialect, "DATETIME")
        try:
            connection.execute(CREATE.format(table=self.table, text=text, time=time), {})
        except Exception:
            connection.execute(f"SELECT 1 FROM {self.table} WHERE 1 = 0", {})  # noqa: S608


class _Connection:
    """An SQLAlchemy connection as ``SqlTexts`` uses it."""

    def __init__(self, connection: Any, dialect: str) -> None:
        from sqlalchemy import text

        self._connection = connection
        self._dialect = dialect
        self._text = text

    def execute(
        self, statement: str, values: Mapping[str, object]
    ) -> tuple[Sequence[Sequence[Any]], int]:
        named = statement % {name: f":{name}" for name in values} if values else statement
        result = self._connection.execute(self._text(named), values)
        rows = result.fetchall() if result.returns_rows else []
        return rows, result.rowcount

    def time(self, when: datetime) -> object:
        """SQLite keeps times as text in UTC, as Django writes them with USE_TZ."""
        if self._dialect == "postgresql":
            return when
        naive = when.astimezone(UTC).replace(tzinfo=None)
        return naive.isoformat(" ") if self._dialect == "sqlite" else naive

    def close(self) -> None:
        self._connection.close()


def from_url(url: Any, table: str) -> SqlTexts:
    """Return the texts in *table* of the database *url*; raise ConfigurationError."""
    return SqlTexts(AlchemyDatabase(url, table))


def in_memory(url: Any) -> bool:
    """Whether *url*, of a SQLite database, names one in memory."""
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError:
        return False  # from_url says what is missing
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return False  # from_url says what is wrong
    if parsed.get_backend_name() != "sqlite":
        return False
    named = parsed.database or ":memory:"
    return ":memory:" in named or parsed.query.get("mode") == "memory"


def _engine(url: Any) -> Any:
    try:
        from sqlalchemy import create_engine
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.pool import NullPool
    except ImportError:
        raise ConfigurationError(
            "a database URL needs SQLAlchemy: pip install 'django-flask-breaker[sqlalchemy]'"
        ) from None
    try:
        parsed = make_url(url)
        if _is_cut_wrongly(parsed):
            raise ValueError
        if not parsed.get_dialect().is_async:
            return create_engine(parsed, poolclass=NullPool)
    except (NoSuchModuleError, ImportError) as error:
        raise _unusable(str(error)) from None
    except (ArgumentError, ValueError, TypeError):
        raise _unusable(f"it cannot be understood ({NOT_SHOWN}; in one {ESCAPES})") from None
    raise ConfigurationError(
        f"{parsed.drivername!r} is an asynchronous driver; breakers run their statements "
        "in a thread and need an ordinary one, such as 'postgresql+psycopg'"
    )


def _is_cut_wrongly(url: Any) -> bool:
    """Whether a '@' stands in host or name: then a part of a password passes for one."""
    if url.get_backend_name() == "sqlite":
        return False
    return "@" in (url.host or "") or "@" in (url.database or "")


def _unusable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the database URL cannot be used: {why}. Examples: 'redis://localhost:6379/0', "
        "'sqlite:////path/breakers.db', 'postgresql+psycopg://user@host/name'"
    )
