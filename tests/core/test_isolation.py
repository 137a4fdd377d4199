"""A site's tests keep their breakers in memory, made anew for each test."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from breaker_core import BreakerRegistry, CircuitOpenError, LazyBreaker
from breaker_core.isolation import current, isolated_breakers, shared_breakers, suspended

if TYPE_CHECKING:
    from pathlib import Path

BREAKERS: dict[str, dict[str, object]] = {"payments": {}}
REAL = BreakerRegistry(BREAKERS)


def registry(owner: str = "app") -> BreakerRegistry:
    """What an adapter does."""
    isolation = current()
    if isolation is None:
        return REAL
    return isolation.registry(owner, lambda: BreakerRegistry(BREAKERS))


def test_the_plugin_isolates_this_very_test() -> None:
    """It is installed with the distribution."""
    assert current() is not None
    assert not suspended()


@pytest.mark.shared_breakers
def test_a_test_may_ask_for_the_real_store() -> None:
    """By its marker."""
    assert current() is None
    assert suspended()
    assert registry() is REAL


def test_within_one_isolation_an_owner_has_one_registry() -> None:
    """And each owner its own."""
    assert registry() is registry()
    assert registry() is not registry("other")
    assert registry() is not REAL


def test_each_isolation_begins_anew() -> None:
    """And the outer one goes on where it was."""
    outer = registry()
    outer["payments"].force_open()
    with isolated_breakers():
        assert registry()["payments"].call(int) == 0
    assert registry() is outer


def test_decorators_follow_into_an_isolation_and_out_of_it() -> None:
    """They were made at import time, and have called before."""
    guarded = LazyBreaker("payments", lambda: registry()["payments"], {})(int)
    assert guarded() == 0
    with isolated_breakers():
        registry()["payments"].force_open()
        with pytest.raises(CircuitOpenError):
            guarded()
    assert guarded() == 0


def test_an_isolation_holds_for_all_threads() -> None:
    """A test's server runs in one of them."""
    found = []
    with isolated_breakers():
        mine = registry()
        thread = threading.Thread(target=lambda: found.append(registry()))
        thread.start()
        thread.join()
    assert found == [mine]
    assert found[0] is mine


def test_an_isolation_ends_when_its_block_fails() -> None:
    """The next test must not inherit it."""
    before = current()
    with pytest.raises(ZeroDivisionError), isolated_breakers():
        1 / 0  # noqa: B018
    assert current() is before


def test_an_isolation_decorates_functions() -> None:
    """Each call has its own."""
    seen = []

    @isolated_breakers()
    def work() -> None:
        seen.append(current())

    work()
    work()
    assert seen[0] is not seen[1]
    assert current() not in seen


def test_a_shared_block_inside_an_isolation_sees_the_real_store() -> None:
    """Until it ends."""
    with shared_breakers():
        assert registry() is REAL
        with isolated_breakers():
            assert registry() is not REAL
    assert registry() is not REAL


def test_a_forgotten_registry_is_made_anew() -> None:
    """Its settings have changed; the other owners' have not."""
    isolation = current()
    assert isolation is not None
    mine, other = registry(), registry("other")
    isolation.forget("app")
    isolation.forget("nobody")
    assert registry() is not mine
    assert registry("other") is other


SITE_TESTS = """
import pytest
from breaker_core.isolation import current, suspended

seen = []

def test_one():
    seen.append(current())

def test_two():
    seen.append(current())
    assert None not in seen
    assert seen[0] is not seen[1]

@pytest.mark.shared_breakers
def test_shared():
    assert current() is None and suspended()

class TestClass:
    pytestmark = pytest.mark.shared_breakers

    def test_shared_too(self):
        assert current() is None
"""


def test_the_plugin_works_in_a_site_that_only_installed_us(tmp_path: Path) -> None:
    """Strict markers, warnings as errors, no configuration; outside of a test there is none."""
    (tmp_path / "test_site.py").write_text(SITE_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -W error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_without_the_plugin_there_is_no_isolation() -> None:
    """In production."""
    code = "from breaker_core.isolation import current, suspended; print(current(), suspended())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["None", "False"]


def test_an_isolation_decorates_async_functions() -> None:
    """It lasts until they have ended, not until their coroutine is made."""
    seen = []

    @isolated_breakers()
    async def work(number: int) -> int:
        seen.append(current())
        await asyncio.sleep(0)
        seen.append(current())
        return number

    before = current()
    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(work(7)) == 7
    assert seen[0] is seen[1]
    assert seen[0] is not before
    assert current() is before
