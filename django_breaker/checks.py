"""System checks: what is wrong with the settings, said before a visitor meets it.

Settings are judged by ``conf``, caches by the core's store, names in decorators by ``BREAKERS``;
the same texts are raised at first use, because checks do not run under WSGI and ASGI. No check
asks a cache or a database. The ids are stable:

    django_breaker.E001   a BREAKER setting has a wrong type
    django_breaker.E002   an option or a name in BREAKERS or BREAKER_DEFAULTS is wrong, or a dotted
                          path cannot be imported
    django_breaker.E003   BREAKER_CACHE names no cache in CACHES
    django_breaker.E004   the cache has no dependable compare-and-set, or its client is missing
    django_breaker.E005   the DatabaseCache is on SQLite in a database with ATOMIC_REQUESTS
    django_breaker.E006   a decorator names a breaker that is not configured, or has a wrong option
    django_breaker.E007   (check --deploy) each process keeps its own state
    django_breaker.W001   a setting looks like one of ours and is not
    django_breaker.W002   each process keeps its own state
    django_breaker.W003   the DatabaseCache removes entries early (MAX_ENTRIES)
    django_breaker.W004   BREAKER_TABLE is not the LOCATION of the cache
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, Warning

from breaker_core import BreakerRegistry, ConfigurationError
from breaker_core.stores import MemoryStore
from django_breaker import conf
from django_breaker.decorators import named_uses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APP = "django_breaker"
FEW_ENTRIES = 1000

_IDS = {"type": "E001", "option": "E002", "alias": "E003"}
_HINTS = {
    "type": "See the table of settings in the README of django-flask-breaker.",
    "option": "See the table of options in the README of django-flask-breaker.",
    "alias": "Set BREAKER_CACHE to an alias of CACHES, or to None for one process.",
}


def register() -> None:
    """Make the checks known to Django; safe to call twice."""
    for check in (check_settings, check_cache, check_names):
        checks.register(check, Tags.caches)
    checks.register(check_deployment, Tags.caches, deploy=True)


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001 to E003 and W001: the settings by themselves."""
    found: list[CheckMessage] = [
        _error(_IDS[each.kind], each.text, _HINTS[each.kind], each.setting)
        for each in conf.problems()
    ]
    for name, hint in conf.unknown():
        text = f"{name}: there is no such setting{hint}"
        found.append(_warning("W001", text, "Rename or remove it; it has no effect.", name))
    return found


def check_cache(**kwargs: Any) -> list[CheckMessage]:
    """E004, E005 and W002 to W004: whether the cache can share the state of breakers."""
    settings = _settings()
    if settings is None or not settings.breakers:
        return []
    found = [_warning("W002", text, _SHARE_HINT, _CACHE) for text in _not_shared(settings)]
    if settings.cache is not None:
        found += _cache_messages(settings)
    return found


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """E007: the same as W002, which is no mere warning where several workers run."""
    settings = _settings()
    if settings is None or not settings.breakers:
        return []
    return [_error("E007", text, _SHARE_HINT, _CACHE) for text in _not_shared(settings)]


def check_names(**kwargs: Any) -> list[CheckMessage]:
    """E006: the names and options that decorators use, as far as their modules are imported."""
    settings = _settings()
    if settings is None:
        return []
    known = BreakerRegistry(settings.breakers, settings.defaults, store=MemoryStore())
    found: list[CheckMessage] = []
    for use in named_uses():
        try:
            known[use.name].use_with(use.options)
        except ConfigurationError as error:
            text = f"{use.where}: {error}"
            hint = "Add the breaker to BREAKERS, or correct the decorator."
            found.append(_error("E006", text, hint, "BREAKERS"))
    return found


_CACHE = "BREAKER_CACHE"
_SHARE_HINT = (
    "Set BREAKER_CACHE to a cache that all workers share: RedisCache, or DatabaseCache, which "
    "needs no server."
)


def _settings() -> conf.BreakerSettings | None:
    """Return the settings, or None when they are wrong: ``check_settings`` says so."""
    try:
        return conf.load()
    except ConfigurationError:
        return None


def _store(settings: conf.BreakerSettings) -> Any:
    from django_breaker.registry import configured_store

    return configured_store(settings)


def _not_shared(settings: conf.BreakerSettings) -> Iterator[str]:
    try:
        store = _store(settings)
    except ConfigurationError:
        return
    if isinstance(store, MemoryStore):
        kind = "" if settings.cache is None else f" ({_backend(settings.cache)})"
        yield (
            f"BREAKER_CACHE={settings.cache!r}{kind}: each process keeps the state of its breakers "
            "for itself, so every worker opens on its own and a reset reaches one of them"
        )


def _backend(alias: str) -> str:
    from django.core.cache import caches

    return type(caches[alias]).__name__


def _cache_messages(settings: conf.BreakerSettings) -> list[CheckMessage]:
    try:
        _store(settings)
    except ConfigurationError as error:
        return [_error("E004", str(error), _SHARE_HINT, _CACHE)]
    from django.core.cache import caches
    from django.core.cache.backends.db import DatabaseCache

    assert settings.cache is not None
    cache = caches[settings.cache]
    return list(_database_cache(settings, cache)) if isinstance(cache, DatabaseCache) else []


def _database_cache(settings: conf.BreakerSettings, cache: Any) -> Iterator[CheckMessage]:
    place = f"BREAKER_CACHE={settings.cache!r}"
    if _locks_itself_out(cache):
        yield _error(
            "E005",
            f"{place}: the table {cache._table!r} is on SQLite in a database with "
            "ATOMIC_REQUESTS, so each request locks the changes of breakers out",
            "Give the cache table a SQLite file of its own: a second entry in DATABASES without "
            "ATOMIC_REQUESTS, and a database router for the cache table.",
            "CACHES",
        )
    if cache._max_entries <= FEW_ENTRIES:
        yield _warning(
            "W003",
            f"{place}: MAX_ENTRIES is {cache._max_entries}; a full table removes entries, and the "
            "state of breakers may be among them",
            f"Set CACHES[{settings.cache!r}]['OPTIONS']['MAX_ENTRIES'] to 10000 or more.",
            "CACHES",
        )
    if settings.table is not None and settings.table != cache._table:
        yield _warning(
            "W004",
            f"BREAKER_TABLE={settings.table!r} has no effect in Django: the state is in the table "
            f"{cache._table!r}, the LOCATION of CACHES[{settings.cache!r}]",
            "Make the two equal, and BREAKER_TABLE in Flask too where they share breakers.",
            "BREAKER_TABLE",
        )


def _locks_itself_out(cache: Any) -> bool:
    from django.db import connections, router

    connection = connections[router.db_for_write(cache.cache_model_class)]
    return connection.vendor == "sqlite" and bool(connection.settings_dict.get("ATOMIC_REQUESTS"))


def _message(kind: Callable[..., CheckMessage]) -> Callable[[str, str, str, str], CheckMessage]:
    def make(id_: str, text: str, hint: str, setting: str) -> CheckMessage:
        return kind(text, hint=hint, obj=f"settings.{setting}", id=f"{APP}.{id_}")

    return make


_error = _message(Error)
_warning = _message(Warning)
