"""The way to the table of a DatabaseCache, and what is said where there is none."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.redis import RedisCache
from django.db import connections
from django.test import override_settings

from breaker_core import ConfigurationError
from breaker_core.stores import CacheStore, StoreError


@pytest.mark.django_db(transaction=True)
def test_a_table_that_was_never_made_is_named_with_the_command_that_makes_it() -> None:
    store = CacheStore(DatabaseCache("no_such_table", {}))
    with pytest.raises(StoreError) as caught:
        store.load(["r:1:payments"])
    store.close()
    assert str(caught.value) == (
        "LookupError: there is no table 'no_such_table' in the database 'default': "
        "run 'manage.py createcachetable'"
    )


class ToNowhere:
    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "nowhere"


@override_settings(DATABASE_ROUTERS=[ToNowhere()])
def test_a_database_that_is_not_configured_is_named() -> None:
    assert "nowhere" not in connections.settings
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(DatabaseCache("cache_table", {}))
    assert str(caught.value) == (
        "the database 'nowhere' of the cache table 'cache_table' is not in DATABASES"
    )


def test_a_redis_cache_without_its_client_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError) as caught:
        CacheStore(RedisCache("redis://127.0.0.1:1", {}))
    assert str(caught.value) == (
        "RedisCache needs a package that is not installed (import of redis halted; None in "
        "sys.modules): pip install 'django-flask-breaker[redis]'"
    )
