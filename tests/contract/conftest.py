"""Each shared store in turn, on real servers, with keys of its test alone."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.redis import RedisCache
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from breaker_core.stores import CacheStore, SharedStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = "breaker_cache"
_numbers = itertools.count()


class ToItsDatabase:
    """Sends the cache table to the database of the running test."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return self.alias if model._meta.app_label == "django_cache" else None

    db_for_read = db_for_write


@pytest.fixture
def open_store(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> Iterator[Callable[[], SharedStore]]:
    """How to open the store of kind *name*: each call is one more process's, so to say."""
    opened: list[SharedStore] = []

    def open_one() -> SharedStore:
        opened.append(_OPENERS[name](request, tmp_path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], SharedStore]) -> SharedStore:
    return open_store()


def _prefix(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def _by_url(kind: str) -> Callable[[pytest.FixtureRequest, Path], SharedStore]:
    def open_one(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
        server = request.getfixturevalue(f"{kind}_server")
        return CacheStore(server.url, key_prefix=_prefix(request))

    return open_one


def _sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    return CacheStore(f"sqlite:///{tmp_path}/breakers.db", key_prefix=_prefix(request))


def _django_redis(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    server = request.getfixturevalue("redis_server")
    return CacheStore(RedisCache(server.url, {"KEY_PREFIX": _prefix(request)}))


def _django_valkey(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    server = request.getfixturevalue("valkey_server")
    return CacheStore(RedisCache(server.url, {"KEY_PREFIX": _prefix(request)}))


def _cachelib_redis(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    from cachelib import RedisCache as CachelibRedis

    port = request.getfixturevalue("redis_server").port
    return CacheStore(CachelibRedis("127.0.0.1", port, key_prefix=_prefix(request)))


def _django_sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    name = str(tmp_path / "django.db")
    return _django_table(request, {"ENGINE": "django.db.backends.sqlite3", "NAME": name})


def _django_postgres(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    server = request.getfixturevalue("postgres_server")
    where = {"HOST": "127.0.0.1", "PORT": server.port, "USER": "postgres", "NAME": "postgres"}
    return _django_table(request, {"ENGINE": "django.db.backends.postgresql", **where})


def _django_table(request: pytest.FixtureRequest, database: dict[str, Any]) -> SharedStore:
    request.getfixturevalue("django_db_blocker").unblock()
    request.addfinalizer(request.getfixturevalue("django_db_blocker").restore)
    alias = f"breaker_{next(_numbers)}"
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: database})[
        alias
    ]
    routed = override_settings(DATABASE_ROUTERS=[ToItsDatabase(alias)])
    routed.enable()
    request.addfinalizer(routed.disable)
    call_command("createcachetable", TABLE, database=alias, verbosity=0)
    connections[alias].close()
    return CacheStore(DatabaseCache(TABLE, {"KEY_PREFIX": _prefix(request)}))


_OPENERS: dict[str, Callable[[pytest.FixtureRequest, Path], SharedStore]] = {
    "redis URL": _by_url("redis"),
    "valkey URL": _by_url("valkey"),
    "Django RedisCache on Redis": _django_redis,
    "Django RedisCache on Valkey": _django_valkey,
    "cachelib RedisCache": _cachelib_redis,
    "SQLAlchemy on SQLite": _sqlite,
    "SQLAlchemy on PostgreSQL": _by_url("postgres"),
    "Django DatabaseCache on SQLite": _django_sqlite,
    "Django DatabaseCache on PostgreSQL": _django_postgres,
}


Garble = Callable[[str, bytes], None]
GARBAGE: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"garbage", ""),
    "empty": (b"", ""),
    "of a million letters": (b"x" * 1_000_000, ""),
    "with a NUL": (b"a\0b", "PostgreSQL"),
    "not UTF-8": (b"\xff\0\xfe", "PostgreSQL"),
    "not UTF-8, of a million bytes": (b"\xff" * 1_000_000, "PostgreSQL"),
}
"""Values that nobody of us writes, and the database that cannot hold them."""


@pytest.fixture
def garble(request: pytest.FixtureRequest, tmp_path: Path, name: str, store: CacheStore) -> Garble:
    """How to set the value of a key, past the store, to any bytes."""

    def garble_one(key: str, raw: bytes) -> None:
        if "SQLite" in name:
            _garble_sqlite(tmp_path, store._prefix + key, raw)
        elif "PostgreSQL" in name:
            _garble_postgres(request.getfixturevalue("postgres_server"), store._prefix + key, raw)
        else:
            kind = "valkey" if "alkey" in name else "redis"
            with redis.Redis.from_url(request.getfixturevalue(f"{kind}_server").url) as client:
                assert client.set(store._prefix + key, raw, xx=True)

    return garble_one


def _garble_sqlite(folder: Path, key: str, raw: bytes) -> None:
    (path,) = folder.glob("*.db")
    statement = f"UPDATE {TABLE} SET value = CAST(? AS TEXT) WHERE cache_key = ?"  # noqa: S608
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement, (raw, key)).rowcount == 1


def _garble_postgres(server: Any, key: str, raw: bytes) -> None:
    statement = f"UPDATE {TABLE} SET value = %s WHERE cache_key = %s"  # noqa: S608
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        assert connection.execute(statement, (raw.decode(), key)).rowcount == 1


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "raw" in metafunc.fixturenames:
        metafunc.parametrize(
            ("name", "raw"),
            [
                pytest.param(name, raw, id=f"{name}, {kind}")
                for kind, (raw, never) in GARBAGE.items()
                for name in _OPENERS
                if not never or never not in name
            ],
        )
    elif "name" in metafunc.fixturenames:
        metafunc.parametrize("name", list(_OPENERS))
