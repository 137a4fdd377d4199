"""Fixtures of the Django adapter's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from breaker_core.isolation import current
from breaker_core.stores import CacheStore
from django_breaker.conf import load
from django_breaker.registry import build, owner
from tests import needs
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RedisOfTest:
    """A Redis of one test's own: what is in it, and how it goes away."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._client = redis.Redis.from_url(server.url, decode_responses=True)

    def open(self) -> CacheStore:
        """Return a store on it, as one more process would have."""
        return CacheStore(self._server.url, key_prefix="")

    def texts(self) -> dict[str, str]:
        """Return all values by key, without what the probe left."""
        return {
            key: str(self._client.get(key))
            for key in map(str, self._client.keys())
            if ":q:" not in key
        }

    def overwrite(self, texts: Mapping[str, str]) -> None:
        """Put *texts* where values are."""
        for key, text in texts.items():
            self._client.set(key, text)

    def go_away(self) -> None:
        """Crash."""
        self._client.close()
        self._server.kill()


@pytest.fixture
def shared_store() -> Iterator[RedisOfTest]:
    """Let the breakers of this test share their state through a real Redis."""
    server = RedisServer(needs.redis_server())
    server.start()
    store = RedisOfTest(server)
    use_store(store)
    yield store
    server.remove()


def use_store(store: RedisOfTest) -> None:
    """Give this process a registry on *store* that has seen nothing yet."""
    isolation = current()
    assert isolation is not None
    isolation.forget(owner())
    isolation.registry(owner(), lambda: build(load(), store.open()))


@pytest.fixture
def store_away(shared_store: RedisOfTest) -> RedisOfTest:
    """Let nobody answer where the breakers of this test keep their state."""
    shared_store.go_away()
    return shared_store
