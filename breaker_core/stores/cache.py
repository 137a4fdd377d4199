"""The store over the cache that a site already runs.

``CacheStore(cache)`` recognises what it is given by the names of its classes, so subclasses count
and nothing is imported. From the cache only the way to its server is taken: the cache interface
itself offers nothing that several processes could rest on, the server beneath it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from breaker_core.errors import ConfigurationError
from breaker_core.stores.base import ESCAPES, NOT_SHOWN, ROOT, SeenText, SharedStore, Stored
from breaker_core.stores.memory import MemoryStore

DEFAULT_TABLE = "breaker_cache"
PREFIX_LIMIT = 80
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix", "valkey", "valkeys"})

WHAT_WORKS = (
    "What works: Redis or Valkey (Django's RedisCache, cachelib and Flask-Caching with Redis, "
    "a client, or a URL such as 'redis://localhost:6379/0'), Django's DatabaseCache, "
    "and a database URL or engine of SQLAlchemy"
)

OpenTable = Callable[[Any], SharedStore]
_open_django_table: OpenTable | None = None


class CacheStore(SharedStore):
    """Shares breakers through *cache*; makes no connection before it is used.

    *cache* is one of Django's, cachelib's or Flask-Caching's cache objects, a redis client, an
    SQLAlchemy engine, or a URL. *key_prefix* replaces the cache's own prefix, so that Django and
    Flask can share breakers. *table* is the table's name where *cache* is an SQLAlchemy engine or
    URL. Raises ConfigurationError for a cache that has no compare-and-set.
    """

    def __init__(
        self, cache: Any, *, key_prefix: str | None = None, table: str = DEFAULT_TABLE
    ) -> None:
        cache = _unwrapped(cache)
        kind = _kind_of(cache)
        if kind in {_PROCESS, None}:
            raise ConfigurationError(_refusal(cache, _NO_SHARING if kind else _UNKNOWN))
        assert kind is not None
        texts, own_prefix = kind(cache, table)
        self._texts: SharedStore = texts
        self._prefix = _whole_prefix(key_prefix, own_prefix)

    def load(self, keys: Iterable[str]) -> Mapping[str, SeenText]:
        whole = {self._prefix + key: key for key in keys}
        return {whole[key]: seen for key, seen in self._texts.load(whole).items()}

    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        return self._texts.replace(self._prefix + key, seen, text, seconds=seconds)

    def publish(self, key: str, text: str, *, seconds: int) -> None:
        self._texts.publish(self._prefix + key, text, seconds=seconds)

    def after_storing(self, text: str) -> SeenText | None:
        return self._texts.after_storing(text)

    def describe(self) -> str:
        return self._texts.describe()

    def close(self) -> None:
        self._texts.close()

    def after_fork(self) -> None:
        self._texts.after_fork()


def store_for(
    cache: Any, *, key_prefix: str | None = None, table: str = DEFAULT_TABLE
) -> CacheStore | MemoryStore:
    """Return the store that suits *cache*: a MemoryStore where nothing can be shared.

    That is the case for None, for caches in the memory of one process and for those that keep
    nothing; the caller should warn. Raises ConfigurationError as ``CacheStore`` does.
    """
    if cache is None or _kind_of(_unwrapped(cache)) is _PROCESS:
        return MemoryStore()
    return CacheStore(cache, key_prefix=key_prefix, table=table)


def use_django_tables(open_table: OpenTable) -> None:
    """Let *open_table* reach the table of a Django DatabaseCache: the Django app registers it."""
    global _open_django_table  # noqa: PLW0603 - one process has one Django
    _open_django_table = open_table


def _unwrapped(cache: Any) -> Any:
    """Return the cache itself where *cache* is Django's proxy for one by alias."""
    if _names(cache).isdisjoint({"django.utils.connection.ConnectionProxy"}):
        return cache
    inside = vars(cache)
    return inside["_connections"][inside["_alias"]]


def _whole_prefix(key_prefix: str | None, own_prefix: str) -> str:
    prefix = own_prefix if key_prefix is None else key_prefix
    if not isinstance(prefix, str):
        raise ConfigurationError(f"key_prefix must be a text or None; got {prefix!r}")
    if len(prefix) > PREFIX_LIMIT or not prefix.isascii() or not _plain(prefix):
        prefix = hashlib.sha256(prefix.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{ROOT}{prefix}:"


def _plain(prefix: str) -> bool:
    return prefix.isprintable() and " " not in prefix


# -- recognising a cache ---------------------------------------------------------------------

Kind = Callable[[Any, str], tuple[SharedStore, str]]

_NO_SHARING = "it lives in the memory of one process, or keeps nothing, so nothing can be shared"
_UNKNOWN = (
    "it has no compare-and-set that breakers know of, so processes would lose each other's changes"
)
_FILES = "a cache of files has no compare-and-set, so processes would lose each other's changes"
_MEMCACHED = "Memcached is not supported yet"


def _process_only(cache: Any, table: str) -> tuple[SharedStore, str]:
    raise AssertionError("a marker, never called")


_PROCESS: Kind = _process_only


def _refused(why: str) -> Kind:
    def refuse(cache: Any, table: str) -> tuple[SharedStore, str]:
        raise ConfigurationError(_refusal(cache, why))

    return refuse


def _refusal(cache: Any, why: str) -> str:
    shown = type(cache).__name__
    if isinstance(cache, str):
        shown = repr(cache.partition("://")[0] + "://")  # what follows may hold a password
    elif isinstance(cache, int | float):
        shown = repr(cache)
    return f"{shown} cannot share breakers: {why}. {WHAT_WORKS}."


def _django_prefix(cache: Any) -> str:
    return f"{cache.key_prefix}:{cache.version}"


def _django_redis(cache: Any, table: str) -> tuple[SharedStore, str]:
    from breaker_core.stores.redis import like

    try:
        client = cache._cache.get_client(None, write=True)
    except ImportError as error:
        raise ConfigurationError(
            f"{type(cache).__name__} needs a package that is not installed ({error}): "
            "pip install 'django-flask-breaker[redis]'"
        ) from None
    except ValueError:
        raise ConfigurationError(
            f"the LOCATION of {type(cache).__name__} is no URL that can be used ({NOT_SHOWN}); "
            f"in one {ESCAPES}"
        ) from None
    return like(client), _django_prefix(cache)


def _django_table(cache: Any, table: str) -> tuple[SharedStore, str]:
    if _open_django_table is None:
        raise ConfigurationError(
            "a DatabaseCache can be used only when 'django_breaker' is in INSTALLED_APPS and "
            "django.setup() has run: the app knows the way to Django's databases"
        )
    return _open_django_table(cache), _django_prefix(cache)


def _cachelib_redis(cache: Any, table: str) -> tuple[SharedStore, str]:
    from breaker_core.stores.redis import like

    prefix = cache.key_prefix
    return like(cache._write_client), str(prefix() if callable(prefix) else prefix or "")


def _redis_client(cache: Any, table: str) -> tuple[SharedStore, str]:
    from breaker_core.stores.redis import like

    return like(cache), ""


def _engine(cache: Any, table: str) -> tuple[SharedStore, str]:
    from breaker_core.stores.sqlalchemy import from_url

    return from_url(cache.url, table), ""


def _url(cache: Any, table: str) -> tuple[SharedStore, str]:
    from breaker_core.stores.redis import from_url as redis_from_url
    from breaker_core.stores.sqlalchemy import from_url

    scheme, separator, _ = cache.partition("://")
    if not separator:
        raise ConfigurationError(
            f"{cache!r} is not a URL. {WHAT_WORKS}. In Django, name an alias of CACHES"
            if cache.isidentifier()
            else f"the text given is not a URL. {WHAT_WORKS}"  # it may hold a password
        )
    if "memcache" in scheme.lower():
        raise ConfigurationError(f"{scheme}:// cannot share breakers: {_MEMCACHED}. {WHAT_WORKS}.")
    if scheme.lower() in REDIS_SCHEMES:
        return redis_from_url(cache), ""
    return from_url(cache, table), ""


_KINDS: Mapping[str, Kind] = {
    "builtins.str": _url,
    "cachelib.base.NullCache": _PROCESS,
    "cachelib.file.FileSystemCache": _refused(_FILES),
    "cachelib.memcached.MemcachedCache": _refused(_MEMCACHED),
    "cachelib.redis.RedisCache": _cachelib_redis,
    "cachelib.redis_base.BaseRedisCache": _cachelib_redis,
    "cachelib.simple.SimpleCache": _PROCESS,
    "django.core.cache.backends.db.DatabaseCache": _django_table,
    "django.core.cache.backends.dummy.DummyCache": _PROCESS,
    "django.core.cache.backends.filebased.FileBasedCache": _refused(_FILES),
    "django.core.cache.backends.locmem.LocMemCache": _PROCESS,
    "django.core.cache.backends.memcached.BaseMemcachedCache": _refused(_MEMCACHED),
    "django.core.cache.backends.redis.RedisCache": _django_redis,
    "flask_caching.backends.nullcache.NullCache": _PROCESS,
    "redis.client.Redis": _redis_client,
    "sqlalchemy.engine.base.Engine": _engine,
    "valkey.client.Valkey": _redis_client,
}
"""What is done with an object, by the full names of its classes, the most special first."""


def _kind_of(cache: Any) -> Kind | None:
    if _is_private_database(cache):
        return _PROCESS
    for name in _ordered_names(cache):
        if name in _KINDS:
            return _KINDS[name]
    return None


def _is_private_database(cache: Any) -> bool:
    """Whether *cache* is a SQLite database in memory: of one connection, so of one process."""
    from breaker_core.stores.sqlalchemy import in_memory

    if isinstance(cache, str):
        return cache.lower().startswith("sqlite") and in_memory(cache)
    return "sqlalchemy.engine.base.Engine" in _ordered_names(cache) and in_memory(cache.url)


def _ordered_names(value: Any) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__]


def _names(value: Any) -> set[str]:
    return set(_ordered_names(value))
