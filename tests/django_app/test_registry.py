"""Which registry counts: of the test, in memory, or on the configured cache."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import (
    BadRequest,
    ImproperlyConfigured,
    PermissionDenied,
    SuspiciousOperation,
)
from django.http import Http404, HttpResponse
from django.test import override_settings

from breaker_core import ConfigurationError, State, UnknownBreakerError
from breaker_core.stores import CacheStore, MemoryStore
from django_breaker import breaker, breakers
from django_breaker.registry import registry
from django_breaker.testing import isolated_breakers, shared_breakers
from tests.django_app.helpers import fail, trip

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

REDIS = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
    }
}


def test_breakers_is_a_mapping_of_what_is_configured() -> None:
    assert list(breakers) == ["payments", "search", "geo"]
    assert len(breakers) == 3
    assert "geo" in breakers
    assert "maps" not in breakers
    assert breakers["payments"].config.failure_threshold == 3


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(UnknownBreakerError) as caught:
        breakers["paymnets"]
    assert str(caught.value) == (
        "no breaker 'paymnets' is configured in BREAKERS (did you mean 'payments'?)"
    )


def test_defaults_hold_for_all_and_an_own_option_beats_them(settings: SettingsWrapper) -> None:
    settings.BREAKER_DEFAULTS = {"open_timeout": 7, "failure_threshold": 9}
    assert breakers["geo"].config.open_timeout == 7
    assert breakers["payments"].config.open_timeout == 10


def test_a_test_keeps_its_breakers_in_memory_whatever_the_cache(settings: SettingsWrapper) -> None:
    settings.CACHES = REDIS
    assert isinstance(registry().store, MemoryStore)


@pytest.mark.shared_breakers
def test_a_test_that_asks_for_it_gets_the_configured_cache(settings: SettingsWrapper) -> None:
    settings.CACHES = REDIS
    assert isinstance(registry().store, CacheStore)


def test_shared_breakers_asks_for_the_configured_cache(settings: SettingsWrapper) -> None:
    settings.CACHES = REDIS
    with shared_breakers():
        assert isinstance(registry().store, CacheStore)
        with isolated_breakers():
            assert isinstance(registry().store, MemoryStore)
    assert isinstance(registry().store, MemoryStore)


@pytest.mark.shared_breakers
def test_a_change_of_the_caches_is_a_change_too(settings: SettingsWrapper) -> None:
    assert isinstance(registry().store, MemoryStore)
    settings.CACHES = REDIS
    assert isinstance(registry().store, CacheStore)


@pytest.mark.shared_breakers
def test_a_registry_that_is_dropped_gives_its_connections_back(
    settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHES = REDIS
    closed: list[object] = []

    def close(store: CacheStore) -> None:
        closed.append(store)

    monkeypatch.setattr(CacheStore, "close", close)
    store = registry().store
    settings.BREAKER_ENVIRONMENT = "another"
    assert closed == [store]


@pytest.mark.shared_breakers
def test_the_key_prefix_replaces_that_of_the_cache(settings: SettingsWrapper) -> None:
    settings.CACHES = REDIS
    with override_settings(BREAKER_KEY_PREFIX="ours"):
        store = registry().store
    assert isinstance(store, CacheStore)
    assert store._prefix == "zz:breaker:ours:"


@pytest.mark.shared_breakers
def test_without_a_cache_the_state_is_of_this_process(settings: SettingsWrapper) -> None:
    settings.BREAKER_CACHE = None
    assert not registry().shared


@pytest.mark.shared_breakers
def test_a_cache_without_compare_and_set_is_refused_at_first_use(
    settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path),
        }
    }
    with pytest.raises(ImproperlyConfigured) as caught:
        registry()
    assert str(caught.value).startswith(
        "BREAKER_CACHE='default': FileBasedCache cannot share breakers: a cache of files has no "
        "compare-and-set"
    )
    assert isinstance(caught.value.__cause__, ConfigurationError)


@pytest.mark.shared_breakers
def test_a_cache_that_cannot_be_imported_is_refused_at_first_use(settings: SettingsWrapper) -> None:
    settings.CACHES = {"default": {"BACKEND": "nowhere.Cache"}}
    with pytest.raises(ImproperlyConfigured, match=r"^BREAKER_CACHE='default': Could not find"):
        registry()


def test_making_the_registry_touches_no_cache(settings: SettingsWrapper) -> None:
    """Port 1 of loopback refuses every connection: an attempt would be logged or raise."""
    settings.CACHES = REDIS
    with shared_breakers():
        assert list(breakers) == ["payments", "search", "geo"]
        assert registry()._home.process is not None
        assert not registry()._home.process.machines


def test_a_change_of_settings_makes_the_breakers_anew(settings: SettingsWrapper) -> None:
    trip("payments")
    settings.BREAKERS = {"payments": {"failure_threshold": 8}}
    assert breakers["payments"].config.failure_threshold == 8
    assert list(breakers) == ["payments"]


def test_override_settings_reaches_a_decorator_that_was_used_before() -> None:
    @breaker("payments")
    def read() -> str:
        return breakers["payments"].config.description

    assert read() == "card processor"
    with override_settings(BREAKERS={"payments": {"description": "bank"}}):
        assert read() == "bank"
        breakers["payments"].force_open()
        with pytest.raises(Exception, match="forced open"):
            read()
    assert read() == "card processor"


def test_settings_changed_in_an_inner_isolation_count_in_the_outer_too(
    settings: SettingsWrapper,
) -> None:
    assert len(breakers) == 3
    with isolated_breakers():
        settings.BREAKERS = {"a": {}}
        assert list(breakers) == ["a"]
    assert list(breakers) == ["a"]


def test_disabled_breakers_let_every_call_pass() -> None:
    with override_settings(BREAKER_ENABLED=False):
        assert trip("payments").call(lambda: 1) == 1
        assert not registry().enabled


def test_threads_that_come_first_get_the_same_registry() -> None:
    found: list[object] = []
    with shared_breakers(), override_settings(BREAKER_CACHE=None):
        threads = [threading.Thread(target=lambda: found.append(registry())) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert len({id(each) for each in found}) == 1


@pytest.mark.parametrize("error", [Http404, PermissionDenied, SuspiciousOperation, BadRequest])
def test_an_exception_that_answers_the_visitor_is_no_failure(error: type[Exception]) -> None:
    def view() -> None:
        raise error

    for _ in range(5):
        with pytest.raises(error):
            breakers["payments"].call(view)
    assert breakers["payments"].state is State.CLOSED
    assert breakers["payments"].snapshot().totals["successes"] == 5


@pytest.mark.parametrize(("status", "failures"), [(200, 0), (404, 0), (499, 0), (500, 1), (503, 1)])
def test_a_returned_response_fails_from_status_500_on(status: int, failures: int) -> None:
    breakers["payments"].call(lambda: HttpResponse(status=status))
    assert breakers["payments"].snapshot().consecutive_failures == failures


def test_state_does_not_leak_between_isolations() -> None:
    with isolated_breakers():
        trip("payments")
    assert breakers["payments"].state is State.CLOSED


def test_a_streak_stays_within_its_breaker() -> None:
    fail("payments", 2)
    fail("search", 1)
    assert breakers["payments"].state is State.CLOSED


IMPORTS = """
import sys
import django_breaker
from django_breaker import breaker, breakers, protect_view

@breaker("payments")
def call(): ...

assert "django.test" not in sys.modules
assert "redis" not in sys.modules
from django.conf import settings
assert not settings.configured
"""


def test_importing_needs_no_settings() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORTS], check=True, timeout=60)


BARE = """
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_breaker"], DATABASES={}, BREAKERS={"a": {}})
import django
django.setup()
from django.core.management import call_command
call_command("check")
from django_breaker import breakers
assert breakers["a"].call(lambda: 5) == 5
"""


def test_the_app_works_without_admin_and_database() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", BARE], check=True, timeout=60)


def test_a_site_that_forgot_the_app_is_told(
    caplog: pytest.LogCaptureFixture, settings: SettingsWrapper
) -> None:
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
    assert breakers["payments"].call(lambda: 1) == 1
    assert "'django_breaker' is not in INSTALLED_APPS" in caplog.text
