"""The time that an operation on Redis may take, whatever the network does."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core.stores import CacheStore, SeenText, Stored, StoreError
from breaker_core.stores.base import BUDGET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import RedisServer

SLACK = 0.75
"""Seconds that a busy machine may add."""


class Trickle(threading.Thread):
    """A server that answers one byte at a time, each sooner than a time-out of a client."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            link, _ = self._listener.accept()
            with link:
                while not self.over.wait(BUDGET / 5):
                    link.sendall(b"+")

    def end(self) -> None:
        self.over.set()
        self._listener.close()
        self.join(10)


@pytest.fixture
def trickle() -> Iterator[Trickle]:
    server = Trickle()
    yield server
    server.end()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_a_server_that_trickles_holds_nobody(trickle: Trickle, scheme: str) -> None:
    store = CacheStore(f"{scheme}://127.0.0.1:{trickle.port}/0")
    began = time.monotonic()
    with pytest.raises(StoreError):
        store.load(["r:1:a"])
    assert time.monotonic() - began < 2 * BUDGET + SLACK
    store.close()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_a_name_that_is_not_found_out_holds_nobody(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    store = CacheStore(f"{scheme}://localhost:{redis_server.port}/0")
    asked, go_on, real = [], threading.Event(), socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        asked.append(threading.current_thread())
        go_on.wait(20)
        return real(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", slow)
        began = time.monotonic()
        with pytest.raises(StoreError):
            store.load(["r:1:a"])
        assert store.replace("r:1:a", SeenText(None), "x", seconds=60) is Stored.UNCLEAR
        assert time.monotonic() - began < 2 * BUDGET + SLACK
    assert len(asked) == 1, "a look-up that hangs is not doubled"
    go_on.set()
    asked[0].join(10)
    assert store.load(["r:1:a"])["r:1:a"].text is None
    store.close()


def test_an_address_is_not_looked_up_in_a_thread(redis_server: RedisServer) -> None:
    store = CacheStore(redis_server.url)
    before = threading.active_count()
    store.load(["r:1:a"])
    assert threading.active_count() == before
    store.close()


def test_time_between_operations_counts_for_none(redis_server: RedisServer) -> None:
    store = CacheStore(redis_server.url)
    store.load(["r:1:a"])
    time.sleep(1.2 * BUDGET)  # the deadline of the load is over
    assert store.load(["r:1:a"])["r:1:a"].text is None
    store.close()
