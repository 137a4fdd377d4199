"""Clocks: wall time for what hosts share, steady time for one process, a fake one for tests."""

from __future__ import annotations

import time

import pytest

from breaker_core.clock import SteadyClock, WallClock
from breaker_core.testing import FakeClock


@pytest.mark.parametrize("clock", [WallClock(), SteadyClock()], ids=["wall", "steady"])
def test_a_clock_tells_wall_time_in_seconds(clock: WallClock | SteadyClock) -> None:
    """Records hold it, and pages show it."""
    before, now, after = time.time(), clock.now(), time.time()
    assert before - 1 <= now <= after + 1


@pytest.mark.parametrize("clock", [WallClock(), SteadyClock()], ids=["wall", "steady"])
def test_a_clock_has_a_time_that_never_steps(clock: WallClock | SteadyClock) -> None:
    """The system's monotonic one."""
    before, now, after = time.monotonic(), clock.monotonic(), time.monotonic()
    assert before <= now <= after


def test_a_steady_clock_keeps_the_difference_that_it_began_with() -> None:
    """As if somebody had set the host's clock back by an hour meanwhile."""
    clock = SteadyClock()
    clock._offset += 3600
    assert clock.now() - time.time() == pytest.approx(3600, abs=1)


def test_a_fake_clock_stands_still() -> None:
    """Until a test moves it."""
    clock = FakeClock(start=100)
    assert (clock.now(), clock.now(), clock.monotonic()) == (100.0, 100.0, 0.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)


def test_a_fake_clock_does_not_run_backwards() -> None:
    """It says so."""
    with pytest.raises(ValueError, match=r"^time does not run backwards: advance\(-1\)$"):
        FakeClock().advance(-1)


def test_a_wrong_clock_is_wrong_in_wall_time_only() -> None:
    """As that of a host somebody set."""
    clock = FakeClock(start=100)
    clock.set_wrong(-60)
    clock.advance(1)
    assert (clock.now(), clock.monotonic()) == (41.0, 1.0)
    clock.set_wrong(0)
    assert clock.now() == 101.0
