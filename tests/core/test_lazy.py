"""Breakers found by name when they are needed."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any, NoReturn

import pytest

from breaker_core import BreakerConfig, CircuitBreaker, CircuitOpenError, LazyBreaker
from breaker_core.lazy import _lazies, forget_all
from breaker_core.testing import FakeClock

CONFIG = BreakerConfig(failure_threshold=1, open_timeout=10)


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def fail() -> NoReturn:
    raise Down


class Site:
    """Where breakers are found: what an adapter's registry is to a LazyBreaker."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked = 0
        self.renew()

    def renew(self) -> None:
        self.breaker = CircuitBreaker("payments", CONFIG, clock=self.clock)

    def find(self) -> CircuitBreaker:
        self.asked += 1
        return self.breaker

    def lazy(self, *, keep: bool = True, **options: Any) -> LazyBreaker:
        return LazyBreaker("payments", self.find, options, keep=keep)


@pytest.fixture
def site() -> Site:
    return Site()


def test_decorating_looks_nothing_up(site: Site) -> None:
    """At import time there may be no settings yet."""
    site.lazy()(fail)
    assert site.asked == 0


def test_a_decorated_function_looks_its_breaker_up_once(site: Site) -> None:
    """At its first call."""
    guarded = site.lazy()(int)
    assert [guarded() for _ in range(3)] == [0, 0, 0]
    assert site.asked == 1


def test_without_keeping_it_is_looked_up_at_every_call(site: Site) -> None:
    """Another application may be meant."""
    guarded = site.lazy(keep=False)(int)
    for _ in range(3):
        guarded()
    assert site.asked == 3


def test_a_decorated_function_is_guarded(site: Site) -> None:
    """By the breaker that was found."""
    guarded = site.lazy()(fail)
    with pytest.raises(Down):
        guarded()
    with pytest.raises(CircuitOpenError):
        guarded()


def test_an_async_function_is_guarded(site: Site) -> None:
    """Awaited."""

    @site.lazy()
    async def guarded() -> None:
        raise Down

    with pytest.raises(Down):
        asyncio.run(guarded())
    with pytest.raises(CircuitOpenError):
        asyncio.run(guarded())


def test_options_hold_for_the_use(site: Site) -> None:
    """As on the breaker itself."""
    guarded = site.lazy(fallback=lambda error: error.name)(fail)
    site.breaker.force_open()
    assert guarded() == "payments"


def test_after_forgetting_it_is_looked_up_again(site: Site) -> None:
    """Settings have changed."""
    guarded = site.lazy()(int)
    guarded()
    site.renew()
    site.breaker.force_open()
    assert guarded() == 0
    forget_all()
    with pytest.raises(CircuitOpenError):
        guarded()


def test_what_is_forgotten_while_it_is_looked_up_is_not_kept(site: Site) -> None:
    """The breaker that was found is of the old settings."""

    def find() -> CircuitBreaker:
        found = site.find()
        forget_all()
        return found

    guarded = LazyBreaker("payments", find, {})(int)
    guarded()
    guarded()
    assert site.asked == 2


def test_what_finding_raises_reaches_the_caller(site: Site) -> None:
    """An unknown name, say; and the next call asks again."""

    def find() -> CircuitBreaker:
        site.asked += 1
        raise LookupError("no such breaker")

    guarded = LazyBreaker("x", find, {})(int)
    for _ in range(2):
        with pytest.raises(LookupError, match="no such breaker"):
            guarded()
    assert site.asked == 2


def test_a_block_is_guarded(site: Site) -> None:
    """With a LazyBreaker of its own, as ``with breaker("payments"):`` makes it."""
    with pytest.raises(Down), site.lazy():
        raise Down
    with pytest.raises(CircuitOpenError), site.lazy():
        pytest.fail("the block was entered")


def test_an_async_block_is_guarded(site: Site) -> None:
    """As a plain one."""

    async def main() -> None:
        with pytest.raises(Down):
            async with site.lazy():
                raise Down
        with pytest.raises(CircuitOpenError):
            async with site.lazy():
                pytest.fail("the block was entered")

    asyncio.run(main())


def test_one_object_may_guard_blocks_of_many_threads(site: Site) -> None:
    """Each ends its own: the trial's permit comes back, and the rejected ones end nothing."""
    lazy = site.lazy()
    with pytest.raises(Down), lazy:
        raise Down
    site.clock.advance(10)
    inside, leave = threading.Event(), threading.Event()

    def trial() -> None:
        with lazy:
            inside.set()
            assert leave.wait(5)

    thread = threading.Thread(target=trial)
    thread.start()
    assert inside.wait(5)
    with pytest.raises(CircuitOpenError), lazy:
        pytest.fail("the block was entered")
    leave.set()
    thread.join(5)
    assert site.breaker.snapshot().trials == 0
    assert site.breaker.state.value == "closed"


def test_one_object_may_guard_nested_blocks(site: Site) -> None:
    """The inner one's failure is the inner one's."""
    lazy = site.lazy()
    with lazy, pytest.raises(Down), lazy:
        raise Down
    totals = site.breaker.snapshot().totals
    assert (totals["failures"], totals["successes"]) == (1, 1)


def test_a_block_never_keeps_what_it_found(site: Site) -> None:
    """An object that a module made once must follow the settings too."""
    lazy = site.lazy()
    with lazy:
        pass
    site.renew()
    site.breaker.force_open()
    with pytest.raises(CircuitOpenError), lazy:
        pytest.fail("the block was entered")


def test_blocks_leave_nothing_behind(site: Site) -> None:
    """One is made per request."""
    gc.collect()
    before = len(_lazies)
    for _ in range(10):
        with site.lazy():
            pass
    gc.collect()
    assert len(_lazies) == before


def test_a_breaker_that_is_gone_is_not_held(site: Site) -> None:
    """By a decorator without keeping: its applications come and go."""
    lazy = site.lazy(keep=False)
    guarded = lazy(int)
    guarded()
    site.renew()
    guarded()
    gc.collect()
    assert len(lazy._found) == 1
