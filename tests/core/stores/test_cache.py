"""What ``CacheStore`` makes of the cache that it is given. Nothing here needs a server."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import cachelib
import pytest
import redis
import sqlalchemy
import valkey
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import PyMemcacheCache
from django.core.cache.backends.redis import RedisCache
from django.test import override_settings

from breaker_core import ConfigurationError
from breaker_core.stores import CacheStore, MemoryStore, SeenText, Stored, store_for
from breaker_core.stores import cache as cache_module

if TYPE_CHECKING:
    from pathlib import Path

WHAT_WORKS = (
    "What works: Redis or Valkey (Django's RedisCache, cachelib and Flask-Caching with Redis, "
    "a client, or a URL such as 'redis://localhost:6379/0'), Django's DatabaseCache, "
    "and a database URL or engine of SQLAlchemy"
)
NO_SHARING = "it lives in the memory of one process, or keeps nothing, so nothing can be shared"
EXAMPLES = (
    "Examples: 'redis://localhost:6379/0', 'sqlite:////path/breakers.db', "
    "'postgresql+psycopg://user@host/name'"
)
URL = "redis://user:secret@127.0.0.1:6390/2"


class SubclassedRedis(RedisCache):
    pass


@pytest.mark.parametrize(
    ("cache", "described"),
    [
        (URL, "Redis at 127.0.0.1:6390, database 2"),
        ("rediss://127.0.0.1:6390", "Redis at 127.0.0.1:6390"),
        ("unix:///run/redis.sock", "Redis at /run/redis.sock"),
        ("valkey://127.0.0.1:6390/2", "Valkey at 127.0.0.1:6390, database 2"),
        (redis.Redis(port=6390), "Redis at localhost:6390"),
        (valkey.Valkey(port=6390), "Valkey at localhost:6390"),
        (RedisCache(URL, {}), "Redis at 127.0.0.1:6390, database 2"),
        (SubclassedRedis(URL, {}), "Redis at 127.0.0.1:6390, database 2"),
        (cachelib.RedisCache("127.0.0.1", 6390), "Redis at 127.0.0.1:6390"),
        ("sqlite:////tmp/x.db", "table 'breaker_cache' of sqlite:////tmp/x.db"),
        (
            "postgresql+psycopg://user:secret@db.example/site",
            "table 'breaker_cache' of postgresql+psycopg://user:***@db.example/site",
        ),
        (
            sqlalchemy.create_engine("sqlite:////tmp/x.db"),
            "table 'breaker_cache' of sqlite:////tmp/x.db",
        ),
    ],
)
def test_what_works_is_recognised_and_described_without_secrets(cache: Any, described: str) -> None:
    assert CacheStore(cache).describe() == described


def test_a_django_alias_is_recognised_through_its_proxy() -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    settings = {"default": {"BACKEND": backend, "LOCATION": URL, "KEY_PREFIX": "site"}}
    with override_settings(CACHES=settings):
        from django.core.cache import cache

        assert CacheStore(cache)._prefix == CacheStore(caches["default"])._prefix
        assert CacheStore(cache)._prefix == "zz:breaker:site:1:"


def test_a_database_cache_is_reached_through_the_django_app() -> None:
    store = CacheStore(DatabaseCache("cache_table", {"KEY_PREFIX": "site", "VERSION": 3}))
    assert store.describe() == "table 'cache_table' of database 'default' (sqlite)"
    assert store._prefix == "zz:breaker:site:3:"


def test_without_the_django_app_a_database_cache_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_module, "_open_django_table", None)
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(DatabaseCache("cache_table", {}))
    assert str(caught.value) == (
        "a DatabaseCache can be used only when 'django_breaker' is in INSTALLED_APPS and "
        "django.setup() has run: the app knows the way to Django's databases"
    )


def test_a_key_prefix_of_ones_own_replaces_the_caches() -> None:
    cache = cachelib.RedisCache("127.0.0.1", 6390, key_prefix="theirs")
    assert CacheStore(cache)._prefix == "zz:breaker:theirs:"
    assert CacheStore(cache, key_prefix="ours")._prefix == "zz:breaker:ours:"


@pytest.mark.parametrize("prefix", ["ä", "a b", "x" * 81, "a\n"])
def test_a_prefix_that_some_cache_refuses_is_hashed(prefix: str) -> None:
    used = CacheStore(URL, key_prefix=prefix)._prefix
    assert len(used) == len("zz:breaker:") + 33
    assert used.isascii()
    assert used.isprintable()


def test_a_prefix_must_be_a_text() -> None:
    with pytest.raises(ConfigurationError, match=r"^key_prefix must be a text or None; got 3$"):
        CacheStore(URL, key_prefix=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cache", "name", "why"),
    [
        (
            FileBasedCache("/tmp/cache", {}),  # noqa: S108 - never touched
            "FileBasedCache",
            "a cache of files has no compare-and-set, so processes would lose each other's changes",
        ),
        (
            PyMemcacheCache("127.0.0.1:11211", {}),
            "PyMemcacheCache",
            "Memcached is not supported yet",
        ),
        (
            LocMemCache("", {}),
            "LocMemCache",
            NO_SHARING,
        ),
        (
            object(),
            "object",
            "it has no compare-and-set that breakers know of, so processes would lose each "
            "other's changes",
        ),
        (
            17,
            "17",
            "it has no compare-and-set that breakers know of, so processes would lose each "
            "other's changes",
        ),
        (
            sqlalchemy.create_engine("sqlite://"),
            "Engine",
            NO_SHARING,
        ),
    ],
)
def test_what_cannot_share_is_refused_with_what_works(cache: Any, name: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(cache)
    assert str(caught.value) == f"{name} cannot share breakers: {why}. {WHAT_WORKS}."


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("default", f"'default' is not a URL. {WHAT_WORKS}. In Django, name an alias of CACHES"),
        ("sqlite://", f"'sqlite://' cannot share breakers: {NO_SHARING}. {WHAT_WORKS}."),
        ("user:secret@host/db", f"the text given is not a URL. {WHAT_WORKS}"),
        (
            "sqlite+aiosqlite:////tmp/x.db",
            "'sqlite+aiosqlite' is an asynchronous driver; breakers run their statements in a "
            "thread and need an ordinary one, such as 'postgresql+psycopg'",
        ),
        (
            "nosuch://x",
            "the database URL cannot be used: Can't load plugin: sqlalchemy.dialects:nosuch. "
            + EXAMPLES,
        ),
        (
            "mysql+mysqldb://x/y",
            "the database URL cannot be used: No module named 'MySQLdb'. " + EXAMPLES,
        ),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(url)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:XYZQWF@host:notaport/0",
        "redis://:XYZ/QWF@host:6379/0",
        "redis://u:XYZ#QWF@host:6379/0",
        "redis://u:XYZ?QWF@host:6379/0",
        "redis://u:p@XYZ/QWF@host:6379/0",
        "redis://XYZQWF:12/34@host/0",
        "redis://u:XYZQWF@[host/0",
        "redis://u:XYZQWF@host:99999999/0",
        "redis://host:x/0?password=XYZQWF",
        "redis://host/0?socket_timeout=XYZQWF",
        "unix:///x?password=XYZQWF&db=z",
        "unix://:XYZ/QWF@/x",
        "postgresql://u:XYZQWF@host:port/d",
        "postgresql://u:XYZ@QWF@host/d",
        "postgresql://u:pass@XYZ/QWF@host/d",
        "sqlite://u:XYZQWF@host:port/d",
        "sqlite+pysqlcipher://:XYZQWF@/:memory:",
        "://u:XYZQWF@host",
        "nosuch://u:XYZQWF@host",
        "memcached://u:XYZQWF@host",
        "u:XYZQWF@host",
    ],
)
def test_no_refusal_shows_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(url)
    shown = "".join(traceback.format_exception(caught.value.with_traceback(None)))
    assert not any(part in shown.upper() for part in ("XYZ", "QWF", "12/34"))


@pytest.mark.parametrize(
    "url",
    [
        "redis://host/0?password=XYZQWF",
        "unix://:XYZQWF@/x?db=3",
        "unix:///x?password=XYZQWF",
        "rediss://u:XYZQWF@host/0?ssl_cert_reqs=bogus",
        "redis://u:XYZQWF@host/0?protocol=9",
        "postgresql+psycopg://host/d?password=XYZQWF",
        "postgresql+psycopg://u:XYZ/QWF@host/d",
        "postgresql+psycopg://u:XYZQWF@host/d?application_name",
    ],
)
def test_no_description_shows_a_password(url: str) -> None:
    shown = CacheStore(url).describe().upper()
    assert not any(part in shown for part in ("XYZ", "QWF"))


def test_a_redis_url_that_cannot_be_used_says_how_one_is_written() -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheStore("redis://:sec/ret@host:6379/0")
    assert str(caught.value) == (
        "the redis:// URL cannot be used (it is not shown, for it may hold a password). It is "
        "written like 'redis://user:password@host:6379/0'; in a password '/' becomes '%2F', "
        "'@' '%40', '#' '%23', '?' '%3F'"
    )


def test_a_database_url_that_cannot_be_used_says_how_one_is_written() -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheStore("postgresql://u:secret@host:port/d")
    assert str(caught.value) == (
        "the database URL cannot be used: it cannot be understood (it is not shown, for it may "
        "hold a password; in one '/' becomes '%2F', '@' '%40', '#' '%23', '?' '%3F'). " + EXAMPLES
    )


def test_a_location_that_cannot_be_used_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(RedisCache("redis://:xyz/qwf@host:6379/0", {}))
    assert str(caught.value) == (
        "the LOCATION of RedisCache is no URL that can be used (it is not shown, for it may hold "
        "a password); in one '/' becomes '%2F', '@' '%40', '#' '%23', '?' '%3F'"
    )


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("REDIS://user:Secret@127.0.0.1:6390/2", "Redis at 127.0.0.1:6390, database 2"),
        ("Unix:///run/R@dis.sock", "Redis at /run/R@dis.sock"),
        ("VALKEY://127.0.0.1:6390", "Valkey at 127.0.0.1:6390"),
    ],
)
def test_a_scheme_may_be_in_upper_case(url: str, described: str) -> None:
    assert CacheStore(url).describe() == described


@pytest.mark.parametrize(
    "cache",
    [
        *(None, LocMemCache("", {}), DummyCache("", {}), cachelib.SimpleCache()),
        *(cachelib.NullCache(), "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=memory"),
        sqlalchemy.create_engine("sqlite://"),
    ],
)
def test_where_nothing_can_be_shared_the_state_stays_in_memory(cache: Any) -> None:
    assert isinstance(store_for(cache), MemoryStore)


def test_what_can_be_shared_is_shared() -> None:
    assert isinstance(store_for(URL), CacheStore)


def test_making_a_store_makes_no_connection() -> None:
    CacheStore("redis://127.0.0.1:1/0")
    CacheStore("postgresql+psycopg://127.0.0.1:1/site")


def test_the_table_is_named_by_the_caller(tmp_path: Path) -> None:
    store = CacheStore(f"sqlite:///{tmp_path}/x.db", table='odd "name"')
    assert store.replace("r:1:a", SeenText(None), "one", seconds=60) is Stored.STORED
    assert store.load(["r:1:a"])["r:1:a"].text == "one"
    store.close()
