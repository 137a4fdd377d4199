"""The windows of rates, held against models that keep every call."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breaker_core import BreakerConfig
from breaker_core.tally import Tick
from breaker_core.window import (
    GRAINS,
    CallWindow,
    Counts,
    EpochWindow,
    TimeWindow,
    Window,
    window_of,
)

LENGTH = 20.0
GRAIN = LENGTH / GRAINS


@dataclass(frozen=True)
class Ended:
    """A call of a history: so long after the one before, and how it ended."""

    after: float
    failed: bool
    slow: bool


GAPS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 5.0, 19.0, 19.5, 20.0, 21.0, 3600.0, 1e9])
HISTORIES = st.lists(st.builds(Ended, GAPS, st.booleans(), st.booleans()), max_size=60)


def counted(calls: list[tuple[float, Ended]]) -> Counts:
    return Counts(
        len(calls), sum(each.failed for _, each in calls), sum(each.slow for _, each in calls)
    )


def timed(history: list[Ended]) -> list[tuple[float, Ended]]:
    now, calls = 0.0, []
    for each in history:
        now += each.after
        calls.append((now, each))
    return calls


def fed(window: Window, calls: list[tuple[float, Ended]]) -> Window:
    for now, each in calls:
        window.add(now, 1, failed=each.failed, slow=each.slow)
    return window


@given(HISTORIES, GAPS)
def test_a_time_window_holds_the_calls_of_the_last_twenty_grains(
    history: list[Ended], later: float
) -> None:
    calls = timed(history)
    now = (calls[-1][0] if calls else 0.0) + later
    kept = [(at, each) for at, each in calls if at // GRAIN > now // GRAIN - GRAINS]
    assert fed(TimeWindow(LENGTH), calls).counts(now) == counted(kept)


@given(st.floats(0, 1000), st.floats(0, LENGTH * 2))
def test_a_time_window_looks_back_95_to_100_percent_of_its_length(at: float, age: float) -> None:
    window = TimeWindow(LENGTH)
    window.add(at, 1)
    age = at + age - at  # as the clock can tell it
    held = window.counts(at + age).calls
    if age <= LENGTH * 0.95 - 1e-6:
        assert held == 1
    elif age > LENGTH + 1e-6:
        assert held == 0


@given(HISTORIES, st.integers(1, 12))
def test_a_call_window_holds_the_last_calls(history: list[Ended], size: int) -> None:
    calls = timed(history)
    assert fed(CallWindow(size), calls).counts(0) == counted(calls[-size:])


@pytest.mark.parametrize("idle", [LENGTH + GRAIN, 3600.0, 1e12])
def test_idle_time_empties_a_time_window(idle: float) -> None:
    """However many grains have passed: PITFALLS 19."""
    window = TimeWindow(LENGTH)
    window.add(7.0, 50, failed=True, slow=True)
    assert window.counts(7.0 + idle) == Counts()


def test_a_call_after_idle_time_is_alone_in_the_window() -> None:
    window = TimeWindow(LENGTH)
    window.add(7.0, 50, failed=True)
    window.add(9000.0, 1)
    assert window.counts(9000.0) == Counts(1, 0, 0)


@given(HISTORIES, st.sampled_from(["time", "calls"]), st.integers(1, 12))
def test_successes_that_only_took_a_tick_are_counted_as_if_each_had_reported(
    history: list[Ended], kind: str, size: int
) -> None:
    """A call that ends well rolls the window only once its grain is over, as ``end_timed`` does."""

    def make() -> Window:
        return TimeWindow(LENGTH) if kind == "time" else CallWindow(size)

    model, tick = make(), Tick()
    window = EpochWindow(make(), tick, 0.0)
    for now, each in timed(history):
        model.add(now, 1, failed=each.failed, slow=each.slow)
        if each.failed or each.slow:
            assert window.end(now, failed=each.failed, slow=each.slow) == model.counts(now)
        else:
            if now >= window.rolls_at:
                window.roll(now)
            next(tick)
    last = timed(history)[-1][0] if history else 0.0
    assert window.counts(last) == model.counts(last)


def test_ticks_taken_before_an_epoch_are_not_of_its_window() -> None:
    tick = Tick()
    next(tick)
    assert EpochWindow(TimeWindow(LENGTH), tick, 0.0).counts(0.0).calls == 0


def test_ticks_of_eight_threads_are_all_counted() -> None:
    window = EpochWindow(CallWindow(1_000_000), Tick(), 0.0)
    lock = threading.Lock()

    def run() -> None:
        for number in range(5000):
            if number % 100:
                next(window.tick)
            else:
                with lock:  # as the machine holds it
                    window.end(0.0, failed=True, slow=False)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert window.counts(0.0) == Counts(40_000, 400, 0)


def test_without_a_rate_there_is_no_window() -> None:
    assert window_of(BreakerConfig()) is None


@pytest.mark.parametrize(
    ("options", "kind"), [({"window_calls": 10}, CallWindow), ({"window": 30}, TimeWindow)]
)
def test_the_options_choose_the_kind(options: dict[str, int], kind: type[Window]) -> None:
    window = window_of(BreakerConfig(failure_rate=0.5, **options))  # type: ignore[arg-type]
    assert type(window) is kind
