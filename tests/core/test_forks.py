"""Locks in a forked child, whose holder stayed behind."""

from __future__ import annotations

import pytest

from breaker_core import BreakerRegistry, LazyBreaker, lazy
from breaker_core.forks import ForkSafeLock
from tests.core.forking import ends_in_child, ends_within, needs_fork

pytestmark = [
    needs_fork,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def test_a_lock_keeps_other_threads_out_until_it_is_left() -> None:
    """As any lock."""
    lock = ForkSafeLock()

    def enter() -> None:
        with lock:
            pass

    with lock:
        assert not ends_within(0.1, enter)
    assert ends_within(5, enter)


def test_a_thread_may_enter_twice() -> None:
    """A signal handler or a finaliser may."""
    lock = ForkSafeLock()
    with lock, lock:
        pass


def test_a_breaker_that_was_being_made_at_the_fork_can_be_made_in_the_child() -> None:
    """G8: as if a thread that the child lacks had been making it."""
    registry = BreakerRegistry({"x": {}})
    with registry._lock:
        assert ends_in_child(lambda: registry["x"].call(int))


def test_a_decorator_that_was_looking_up_at_the_fork_can_look_up_in_the_child() -> None:
    """G8: the same for what is found by name."""
    registry = BreakerRegistry({"x": {}})
    guarded = LazyBreaker("x", lambda: registry["x"], {})(int)
    with lazy._lock:
        assert ends_in_child(guarded)
