"""What is particular to texts on Redis and Valkey, tried on both."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
import redis

from breaker_core.stores import CacheStore, SeenText, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import RedisServer

KEY = "r:1:payments"


@pytest.fixture(params=["redis_server", "valkey_server"])
def server(request: pytest.FixtureRequest) -> RedisServer:
    found: RedisServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with redis.Redis.from_url(server.url) as made:
        made.flushdb()
        yield made


@pytest.fixture
def store(server: RedisServer) -> Iterator[CacheStore]:
    made = CacheStore(server.url, key_prefix="test")
    yield made
    made.close()


WHOLE_KEY = f"zz:breaker:test:{KEY}"
OTHER_TYPES: dict[str, Callable[[Any], object]] = {
    "list": lambda client: client.lpush(WHOLE_KEY, "x"),
    "hash": lambda client: client.hset(WHOLE_KEY, "field", "x"),
    "set": lambda client: client.sadd(WHOLE_KEY, "x"),
    "sorted set": lambda client: client.zadd(WHOLE_KEY, {"x": 1}),
    "stream": lambda client: client.xadd(WHOLE_KEY, {"field": "x"}),
}


@pytest.mark.parametrize("kind", list(OTHER_TYPES))
def test_a_key_of_another_type_counts_as_missing_and_is_started_by_one(
    store: CacheStore, client: Any, kind: str
) -> None:
    OTHER_TYPES[kind](client)
    seen = store.load([KEY])[KEY]
    assert store.replace(KEY, seen, "first", seconds=60) is Stored.STORED
    assert store.replace(KEY, seen, "second", seconds=60) is Stored.LOST
    assert store.load([KEY])[KEY].text == "first"


def test_a_value_that_became_another_type_is_not_the_one_that_was_seen(
    store: CacheStore, client: Any
) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=60)
    seen = store.load([KEY])[KEY]
    client.delete(WHOLE_KEY)
    client.lpush(WHOLE_KEY, "x")
    assert store.replace(KEY, seen, "two", seconds=60) is Stored.LOST


@pytest.mark.parametrize(("seconds", "left"), [(60, range(50, 61)), (None, range(-1, 0))])
def test_a_value_is_kept_as_long_as_was_said_from_its_start(
    store: CacheStore, client: Any, seconds: int | None, left: range
) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=seconds)
    assert client.ttl(WHOLE_KEY) in left
    store.replace(KEY, store.load([KEY])[KEY], "two", seconds=seconds)
    assert client.ttl(WHOLE_KEY) in left


def test_the_script_is_known_again_after_the_server_forgot_it(
    store: CacheStore, client: Any
) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=60)
    client.script_flush()
    seen = store.load([KEY])[KEY]
    assert store.replace(KEY, seen, "two", seconds=60) is Stored.STORED


def test_a_signal_handler_may_use_a_store_whose_lock_its_thread_holds(store: CacheStore) -> None:
    answers: list[object] = []
    texts: Any = store._texts

    def handle(number: int, frame: object) -> None:
        answers.append(store.load([KEY])[KEY].text)

    before = signal.signal(signal.SIGUSR1, handle)
    watchdog = threading.Timer(20, os._exit, [99])
    watchdog.start()
    try:
        with texts._lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
        watchdog.cancel()
    assert len(answers) == 1
