"""Counts for people: nothing is lost, nothing counted twice."""

from __future__ import annotations

import threading

import pytest

from breaker_core.tally import KEPT_TICKS, Tally, Tick


@pytest.mark.parametrize("taken", [0, 1, 1000])
def test_a_tick_knows_how_often_it_was_taken(taken: int) -> None:
    tick = Tick()
    for _ in range(taken):
        next(tick)
    assert tick.taken() == taken


def test_a_tick_loses_nothing_between_threads() -> None:
    tick = Tick()
    threads = [
        threading.Thread(target=lambda: [next(tick) for _ in range(20_000)]) for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert tick.taken() == 160_000


def test_totals_hold_the_successes_of_every_epoch() -> None:
    tally = Tally()
    next(tally.successes)
    for _ in range(KEPT_TICKS * 3):
        next(tally.tick())
    assert tally.totals()["successes"] == KEPT_TICKS * 3 + 1


def test_a_late_success_of_a_recent_epoch_is_counted() -> None:
    tally = Tally()
    tick = tally.tick()
    for _ in range(KEPT_TICKS - 1):
        tally.tick()
    next(tick)
    assert tally.totals()["successes"] == 1


def test_calls_are_those_that_ended_and_not_those_rejected() -> None:
    tally = Tally()
    next(tally.successes)
    tally.failures, tally.ignored, tally.rejections, tally.waved = 2, 3, 4, 5
    assert tally.totals() == {
        "calls": 6,
        "successes": 1,
        "failures": 2,
        "ignored": 3,
        "rejections": 4,
        "fallbacks": 0,
        "would_have_rejected": 5,
    }
