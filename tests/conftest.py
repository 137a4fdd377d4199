"""Servers that tests of several folders share: started at first use, ended with the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.servers import PostgresServer, RedisServer, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


def _started(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis for the whole run; a test that hurts it starts one of its own."""
    yield from _started(RedisServer(needs.redis_server()))


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Server]:
    """A Valkey for the whole run."""
    yield from _started(RedisServer(needs.valkey_server()))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL for the whole run."""
    yield from _started(PostgresServer())
