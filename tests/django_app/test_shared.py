"""The whole path on a real cache: another process trips, this one shows it and resets it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from breaker_core import State
from breaker_core.stores import CacheStore
from django_breaker import breakers
from django_breaker.registry import registry
from tests.django_app.people import LIST, client_of
from tests.django_app.test_admin import text_of
from tests.django_app.test_admin_reset import confirm
from tests.servers import wait_until

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

    from tests.servers import Server

pytestmark = [pytest.mark.django_db, pytest.mark.shared_breakers]

OTHER = """
import sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_breaker"],
    DATABASES={},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache",
                        "LOCATION": sys.argv[1], "KEY_PREFIX": sys.argv[2]}},
    BREAKERS={"payments": {"failure_threshold": 3, "open_timeout": 600}},
)
import django
django.setup()
from django_breaker import breaker, breakers

@breaker("payments")
def call():
    raise ConnectionError

for _ in range(int(sys.argv[3])):
    try:
        call()
    except ConnectionError:
        pass
print(breakers["payments"].state)
"""


@pytest.fixture
def address(redis_server: Server, settings: SettingsWrapper) -> str:
    """Let the breakers of this test be shared through a real Redis."""
    url = f"redis://127.0.0.1:{redis_server.port}/0"
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "KEY_PREFIX": "test-shared",
        }
    }
    return url


def other_process(address: str, failures: int) -> str:
    """Let calls fail in another process; return the state that it sees then."""
    words = [sys.executable, "-c", OTHER, address, "test-shared", str(failures)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_another_process_trips_and_this_one_shows_and_resets_it(address: str) -> None:
    assert isinstance(registry().store, CacheStore)
    client = client_of(superuser=True)
    assert other_process(address, 3) == "open"

    text = text_of(client.get(LIST).content.decode())
    assert "Open calls rejected" in text
    assert "rejecting in 1 of 1 process" in text
    assert breakers["payments"].state is State.OPEN

    confirm(client, "row", reason="mended")
    wait_until(lambda: other_process(address, 0) == "closed", "the other process sees the reset")
    act = breakers["payments"].snapshot().transitions[-1]
    assert (act.rule, act.by, act.reason) == ("reset", "root", "mended")
