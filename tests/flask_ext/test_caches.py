"""What ``BREAKER_CACHE`` may be, on real servers and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cachelib
import pytest
import redis
import sqlalchemy
from flask import Flask
from flask_caching import Cache
from flask_sqlalchemy import SQLAlchemy

from breaker_core import ConfigurationError, State
from breaker_core.stores import MemoryStore
from flask_breaker import Breakers
from tests.flask_ext.factories import make_app
from tests.flask_ext.helpers import open_up
from tests.servers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import RedisServer

    Sharing = Callable[..., Breakers]

WORKS = (
    "What works: Redis or Valkey (Django's RedisCache, cachelib and Flask-Caching with Redis, "
    "a client, or a URL such as 'redis://localhost:6379/0'), Django's DatabaseCache, "
    "and a database URL or engine of SQLAlchemy"
)


def _share(one: Breakers, other: Breakers) -> bool:
    """Whether what happens in *one* is seen in *other*."""
    open_up(one["payments"])
    return other["payments"].state is State.OPEN


# -- what can be shared ------------------------------------------------------------------------


@pytest.mark.shared_breakers
def test_a_redis_url_is_shared(sharing: Sharing, redis_server: RedisServer, tmp_path: Path) -> None:
    make = [sharing(redis_server.url, BREAKER_KEY_PREFIX=tmp_path.name) for _ in range(2)]
    assert _share(*make)


@pytest.mark.shared_breakers
def test_a_redis_client_is_shared(
    sharing: Sharing, redis_server: RedisServer, tmp_path: Path
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        make = [sharing(client, BREAKER_KEY_PREFIX=tmp_path.name) for _ in range(2)]
        assert _share(*make)


@pytest.mark.shared_breakers
def test_a_cachelib_object_is_shared_under_its_own_prefix(
    sharing: Sharing, redis_server: RedisServer, tmp_path: Path
) -> None:
    def cache(prefix: str) -> cachelib.RedisCache:
        return cachelib.RedisCache("127.0.0.1", redis_server.port, key_prefix=prefix)

    one, same, other = (sharing(cache(tmp_path.name + each)) for each in ("a", "a", "b"))
    assert _share(one, same)
    assert other["payments"].state is State.CLOSED


def _caching(app: Flask, server: RedisServer, prefix: str) -> Cache:
    cache = Cache(config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": server.url})
    app.config["CACHE_KEY_PREFIX"] = prefix
    cache.init_app(app)
    return cache


@pytest.fixture
def with_caching(redis_server: RedisServer) -> Any:
    """How to make an application whose breakers use its Flask-Caching object."""

    def make(prefix: str) -> Breakers:
        app = make_app()
        app.config["BREAKER_CACHE"] = _caching(app, redis_server, prefix)
        return Breakers(app)

    return make


@pytest.mark.shared_breakers
def test_a_flask_caching_object_is_shared_under_the_application_s_prefix(
    with_caching: Callable[[str], Breakers], tmp_path: Path
) -> None:
    one, same, other = (with_caching(tmp_path.name + each) for each in ("a", "a", "b"))
    assert _share(one, same)
    assert other["payments"].state is State.CLOSED
    for each in (one, same, other):
        each.registry.close()


@pytest.mark.shared_breakers
def test_flask_caching_and_a_url_share_under_one_key_prefix(
    sharing: Sharing, redis_server: RedisServer, tmp_path: Path
) -> None:
    prefix = tmp_path.name
    app = make_app(BREAKER_KEY_PREFIX=prefix)
    app.config["BREAKER_CACHE"] = _caching(app, redis_server, "other")
    breakers = Breakers(app)
    assert _share(breakers, sharing(redis_server.url, BREAKER_KEY_PREFIX=prefix))
    breakers.registry.close()


@pytest.mark.shared_breakers
def test_a_database_url_is_shared(sharing: Sharing, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/breakers.db"
    assert _share(sharing(url), sharing(url))


@pytest.mark.shared_breakers
def test_an_engine_is_shared_with_its_url(sharing: Sharing, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/breakers.db"
    engine = sqlalchemy.create_engine(url)
    assert _share(sharing(engine), sharing(url))
    engine.dispose()


@pytest.mark.shared_breakers
def test_the_table_is_the_one_that_is_named(sharing: Sharing, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/breakers.db"
    one, same = (sharing(url, BREAKER_TABLE="site_breakers") for _ in range(2))
    default = sharing(url)
    assert _share(one, same)
    assert default["payments"].state is State.CLOSED
    engine = sqlalchemy.create_engine(url)
    assert set(sqlalchemy.inspect(engine).get_table_names()) == {"site_breakers", "breaker_cache"}
    engine.dispose()


@pytest.mark.shared_breakers
def test_a_change_is_seen_within_the_refresh_interval(sharing: Sharing, tmp_path: Path) -> None:
    url, options = f"sqlite:///{tmp_path}/breakers.db", {"payments": {"refresh_interval": 0.05}}
    one, other = (sharing(url, BREAKERS=options) for _ in range(2))
    other["payments"].call(str)
    open_up(one["payments"], 5)
    wait_until(lambda: other["payments"].state is State.OPEN, "the other sees it open", 2)
    one["payments"].reset()
    wait_until(lambda: other["payments"].state is State.CLOSED, "the other sees the reset", 2)


# -- set up later ------------------------------------------------------------------------------


@pytest.mark.shared_breakers
def test_flask_caching_may_be_set_up_after_the_breakers(redis_server: RedisServer) -> None:
    cache = Cache(config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_server.url})
    app = make_app(BREAKER_CACHE=cache)
    breakers = Breakers(app)
    cache.init_app(app)
    assert breakers.registry.shared
    assert breakers.registry is breakers.registry


@pytest.mark.shared_breakers
def test_flask_caching_that_was_never_set_up_is_named() -> None:
    breakers = Breakers(make_app(BREAKER_CACHE=Cache()))
    with pytest.raises(ConfigurationError) as raised:
        breakers["payments"]
    assert str(raised.value) == (
        "BREAKER_CACHE: the Flask-Caching object was not set up for this application: "
        "call its init_app(app)"
    )


@pytest.fixture
def database() -> SQLAlchemy:
    return SQLAlchemy()


@pytest.fixture
def with_database(database: SQLAlchemy, tmp_path: Path) -> Flask:
    url = f"sqlite:///{tmp_path}/site.db"
    return make_app(BREAKER_CACHE=database, SQLALCHEMY_DATABASE_URI=url)


@pytest.mark.shared_breakers
def test_a_flask_sqlalchemy_object_is_used_through_its_engine(
    with_database: Flask, database: SQLAlchemy, sharing: Sharing, tmp_path: Path
) -> None:
    breakers = Breakers(with_database)
    database.init_app(with_database)
    assert _share(breakers, sharing(f"sqlite:///{tmp_path}/site.db"))
    breakers.registry.close()


@pytest.mark.shared_breakers
def test_a_flask_sqlalchemy_object_does_not_end_the_context_in_use(
    with_database: Flask, database: SQLAlchemy
) -> None:
    ended: list[object] = []
    with_database.teardown_appcontext(ended.append)
    breakers = Breakers(with_database)
    database.init_app(with_database)
    with with_database.app_context():
        assert breakers.registry.shared
        assert ended == []


@pytest.mark.shared_breakers
def test_a_flask_sqlalchemy_object_is_asked_in_its_own_application_s_context(
    with_database: Flask, database: SQLAlchemy
) -> None:
    breakers = Breakers(with_database)
    database.init_app(with_database)
    with Flask("other").app_context():
        assert "site.db" in breakers.registry.store.describe()


@pytest.mark.shared_breakers
def test_flask_sqlalchemy_that_was_never_set_up_is_named(with_database: Flask) -> None:
    breakers = Breakers(with_database)
    with pytest.raises(ConfigurationError) as raised:
        breakers["payments"]
    assert str(raised.value) == (
        "BREAKER_CACHE: the Flask-SQLAlchemy object was not set up for this application: "
        "call its init_app(app)"
    )


# -- what cannot be shared ---------------------------------------------------------------------


@pytest.mark.parametrize("cache", [None, cachelib.SimpleCache(), cachelib.NullCache()])
@pytest.mark.shared_breakers
def test_what_lives_in_one_process_gives_each_its_own(cache: Any) -> None:
    breakers = Breakers(make_app(BREAKER_CACHE=cache))
    assert isinstance(breakers.registry.store, MemoryStore)


@pytest.mark.parametrize("kind", ["SimpleCache", "NullCache"])
@pytest.mark.shared_breakers
def test_flask_caching_in_one_process_gives_each_its_own(kind: str) -> None:
    app = make_app(CACHE_TYPE=kind, CACHE_NO_NULL_WARNING=True)
    app.config["BREAKER_CACHE"] = Cache(app)
    assert isinstance(Breakers(app).registry.store, MemoryStore)


def _files(tmp_path: Path) -> Any:
    return cachelib.FileSystemCache(str(tmp_path))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            _files,
            "BREAKER_CACHE: FileSystemCache cannot share breakers: a cache of files has no "
            f"compare-and-set, so processes would lose each other's changes. {WORKS}.",
        ),
        (
            lambda tmp_path: object(),
            "BREAKER_CACHE: object cannot share breakers: it has no compare-and-set that breakers "
            f"know of, so processes would lose each other's changes. {WORKS}.",
        ),
        (
            lambda tmp_path: "default",
            f"BREAKER_CACHE: 'default' is not a URL. {WORKS}. In Django, name an alias of CACHES",
        ),
    ],
)
def test_a_cache_without_a_compare_and_set_is_refused_at_start(
    tmp_path: Path, make: Callable[[Path], Any], text: str
) -> None:
    app, breakers = make_app(BREAKER_CACHE=make(tmp_path)), Breakers()
    with pytest.raises(ConfigurationError) as raised:
        breakers.init_app(app)
    assert str(raised.value) == text
    assert "breaker" not in app.extensions


def test_nothing_is_opened_at_start(tmp_path: Path) -> None:
    Breakers(make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/breakers.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared_breakers
def test_an_unreachable_server_does_not_hurt_the_start_or_a_call(sharing: Sharing) -> None:
    breakers = sharing(f"redis://127.0.0.1:{free_port()}/0")
    assert breakers["payments"].call(lambda: "paid") == "paid"
    assert breakers["payments"].snapshot().store == "unreachable"
