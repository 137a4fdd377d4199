"""Rates, slow calls, waits that are asked for and fallbacks for failures, on whole breakers."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import BreakerConfig, BreakerRegistry, CircuitBreaker, State
from breaker_core.decide import why_of
from breaker_core.record import from_text, start, to_text
from breaker_core.stores import CacheStore
from breaker_core.testing import FakeClock
from breaker_core.window import Counts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WINDOWS = [{"window": 60}, {"window_calls": 400}]


class BrokenError(Exception):
    """The dependency's own."""


def fail() -> None:
    raise BrokenError


def by_call(breaker: CircuitBreaker, function: Callable[[], object]) -> None:
    breaker.call(function)


def by_decorator(breaker: CircuitBreaker, function: Callable[[], object]) -> None:
    breaker(function)()


def by_block(breaker: CircuitBreaker, function: Callable[[], object]) -> None:
    with breaker:
        function()


def by_async(breaker: CircuitBreaker, function: Callable[[], object]) -> None:
    async def asked() -> object:
        return function()

    asyncio.run(breaker.call_async(asked))


def by_async_block(breaker: CircuitBreaker, function: Callable[[], object]) -> None:
    async def run() -> None:
        async with breaker:
            function()

    asyncio.run(run())


def by_async_decorator(breaker: CircuitBreaker, function: Callable[[], object]) -> None:
    @breaker
    async def asked() -> object:
        return function()

    asyncio.run(asked())


FORMS = [by_call, by_decorator, by_block, by_async, by_async_block, by_async_decorator]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make(clock: FakeClock, **options: Any) -> CircuitBreaker:
    defaults: dict[str, Any] = {"failure_threshold": None, "open_timeout": 10}
    return CircuitBreaker("payments", BreakerConfig(**(defaults | options)), clock=clock)


def failing(breaker: CircuitBreaker, times: int = 1, form: Any = by_call) -> None:
    for _ in range(times):
        with pytest.raises(BrokenError):
            form(breaker, fail)


def working(breaker: CircuitBreaker, times: int = 1, form: Any = by_call) -> None:
    for _ in range(times):
        form(breaker, int)


def slowly(breaker: CircuitBreaker, clock: FakeClock, seconds: float, form: Any = by_call) -> None:
    form(breaker, lambda: clock.advance(seconds))


def state(breaker: CircuitBreaker) -> State:
    return breaker.snapshot().state


# -- the failure rate ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_failure_rate_of_exactly_the_limit_opens(
    clock: FakeClock, window: dict[str, int], form: Any
) -> None:
    breaker = make(clock, failure_rate=0.7, minimum_calls=10, **window)
    working(breaker, 3, form)
    failing(breaker, 6, form)
    before = state(breaker)
    failing(breaker, 1, form)
    assert (before, state(breaker)) == (State.CLOSED, State.OPEN)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("calls", "rate", "after"),
    [
        ((101, 99), 0.5, State.CLOSED),  # 49.5 % is not rounded
        ((100, 100), 0.5, State.OPEN),
        ((20, 10), 1 / 3, State.OPEN),
        ((20, 9), 1 / 3, State.CLOSED),
        ((1, 29), 1.0, State.CLOSED),
        ((0, 30), 1.0, State.OPEN),
    ],
)
def test_a_rate_is_not_rounded(
    clock: FakeClock,
    window: dict[str, int],
    calls: tuple[int, int],
    rate: float,
    after: State,
) -> None:
    successes, failures = calls
    breaker = make(clock, failure_rate=rate, minimum_calls=sum(calls), **window)
    working(breaker, successes)
    failing(breaker, failures)
    assert state(breaker) is after


@pytest.mark.parametrize("window", WINDOWS)
def test_too_few_calls_are_not_judged(clock: FakeClock, window: dict[str, int]) -> None:
    breaker = make(clock, failure_rate=0.1, minimum_calls=5, **window)
    failing(breaker, 4)
    assert state(breaker) is State.CLOSED


@pytest.mark.parametrize("window", WINDOWS)
def test_a_success_that_completes_the_minimum_does_not_open(
    clock: FakeClock, window: dict[str, int]
) -> None:
    """PITFALLS 38."""
    breaker = make(clock, failure_rate=0.1, minimum_calls=5, **window)
    failing(breaker, 4)
    working(breaker, 10)
    assert state(breaker) is State.CLOSED


def test_failures_that_left_the_window_do_not_open(clock: FakeClock) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=4)
    failing(breaker, 3)
    clock.advance(63)
    failing(breaker)
    assert breaker.snapshot().window == Counts(1, 1, 0)


def test_ignored_calls_are_not_in_the_window(clock: FakeClock) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=2, ignore=BrokenError)
    failing(breaker, 5)
    assert breaker.snapshot().window == Counts()


def test_a_snapshot_shows_rates_with_their_calls(clock: FakeClock) -> None:
    breaker = make(clock, failure_rate=0.9, slow_call_duration=1, slow_call_rate=0.9)
    working(breaker, 2)
    failing(breaker)
    slowly(breaker, clock, 2)
    shown = breaker.snapshot()
    assert (shown.window, shown.rates) == (Counts(4, 1, 1), {"failure": 0.25, "slow": 0.25})


def test_a_breaker_that_judges_no_rate_shows_none(clock: FakeClock) -> None:
    shown = make(clock, failure_threshold=5).snapshot()
    assert (shown.window, shown.rates) == (None, {})


# -- slow calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_slow_call_rate_of_exactly_the_limit_opens(
    clock: FakeClock, window: dict[str, int], form: Any
) -> None:
    breaker = make(clock, slow_call_duration=1, slow_call_rate=0.5, minimum_calls=4, **window)
    working(breaker, 2, form)
    slowly(breaker, clock, 1.5, form)
    before = state(breaker)
    slowly(breaker, clock, 1.5, form)
    assert (before, state(breaker)) == (State.CLOSED, State.OPEN)


@pytest.mark.parametrize(("seconds", "slow"), [(1.0, 0), (1.25, 1)])
def test_only_a_call_that_takes_longer_is_slow(clock: FakeClock, seconds: float, slow: int) -> None:
    breaker = make(clock, slow_call_duration=1, slow_call_rate=1.0)
    slowly(breaker, clock, seconds)
    assert breaker.snapshot().window == Counts(1, 0, slow)


def test_a_slow_success_clears_the_streak(clock: FakeClock) -> None:
    breaker = make(clock, failure_threshold=3, slow_call_duration=1)
    failing(breaker, 2)
    slowly(breaker, clock, 2)
    assert breaker.snapshot().consecutive_failures == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_slow_trial_fails_although_it_succeeded(clock: FakeClock, form: Any) -> None:
    breaker = make(clock, failure_threshold=1, slow_call_duration=1)
    failing(breaker)
    clock.advance(10)
    slowly(breaker, clock, 2, form)
    last = breaker.snapshot().transitions[-1]
    assert (last.rule, last.after) == ("trial_slow", State.OPEN)


def test_a_slow_cancelled_call_is_slow(clock: FakeClock) -> None:
    breaker = make(clock, slow_call_duration=1, slow_call_rate=1.0, minimum_calls=1)

    async def cancelled() -> None:
        clock.advance(2)
        raise asyncio.CancelledError

    async def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            await breaker.call_async(cancelled)

    asyncio.run(run())
    assert breaker.snapshot().transitions[-1].rule == "slow_call_rate"


# -- whose calls count ---------------------------------------------------------------------------


def reset(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.reset()


def close_by_trial(breaker: CircuitBreaker, clock: FakeClock) -> None:
    failing(breaker)
    clock.advance(10)
    working(breaker)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("end", [reset, close_by_trial])
def test_a_window_begins_empty(
    clock: FakeClock, window: dict[str, int], end: Callable[[CircuitBreaker, FakeClock], None]
) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=4, **window)
    failing(breaker, 2)
    working(breaker)
    end(breaker, clock)
    assert breaker.snapshot().window == Counts()


@pytest.mark.parametrize("late", [fail, int])
def test_a_late_outcome_counts_in_no_window(clock: FakeClock, late: Callable[[], object]) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=4)

    def run() -> object:
        breaker.reset()
        return late()

    with suppress(BrokenError):
        breaker.call(run)
    assert breaker.snapshot().window == Counts()


def test_a_forced_closed_breaker_goes_on_counting_its_window(clock: FakeClock) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=4)
    breaker.force_closed()
    working(breaker, 2)
    failing(breaker)
    assert breaker.snapshot().window == Counts(3, 1, 0)


def test_a_forced_closed_breaker_opens_by_rate_and_lets_pass(clock: FakeClock) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=4)
    breaker.force_closed()
    failing(breaker, 4)
    working(breaker)
    assert state(breaker) is State.OPEN


def test_a_shadowed_breaker_opens_by_rate_and_lets_pass(clock: FakeClock) -> None:
    breaker = make(clock, failure_rate=0.5, minimum_calls=4, shadow=True)
    failing(breaker, 4)
    working(breaker)
    assert state(breaker) is State.OPEN


# -- what a transition keeps ---------------------------------------------------------------------


def opened_by_rate(clock: FakeClock) -> CircuitBreaker:
    breaker = make(clock, failure_rate=0.3, minimum_calls=40)
    working(breaker, 28)
    failing(breaker, 12)
    return breaker


def test_a_transition_keeps_the_numbers_that_decided_it(clock: FakeClock) -> None:
    last = opened_by_rate(clock).snapshot().transitions[-1]
    assert (last.rule, last.count, last.calls, last.rate) == ("failure_rate", 12, 40, 0.3)


def test_a_transition_says_its_numbers_in_words(clock: FakeClock) -> None:
    last = opened_by_rate(clock).snapshot().transitions[-1]
    assert why_of(last) == "12 of 40 calls failed (30.0%, opens at 0.3)"


def test_a_transition_by_slow_calls_says_so(clock: FakeClock) -> None:
    breaker = make(clock, slow_call_duration=1, slow_call_rate=0.5, minimum_calls=2)
    working(breaker)
    slowly(breaker, clock, 2)
    assert breaker.snapshot().reason == "1 of 2 calls were slow (50.0%, opens at 0.5)"


def test_the_log_names_the_calls_that_a_rate_was_judged_on(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    opened_by_rate(clock)
    assert "failure_rate 12 of 40, last error BrokenError" in caplog.text


def test_a_transition_by_rate_survives_its_record(clock: FakeClock) -> None:
    breaker = opened_by_rate(clock)
    transitions = breaker.snapshot().transitions
    record = replace(start("payments", clock.now()), transitions=transitions)
    assert from_text(to_text(record)).transitions == transitions


# -- a wait that is asked for --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "options", "wait"),
    [
        (120, {}, 120),
        ("120", {}, 120),
        (5, {}, 10),
        (1e9, {}, 3600),
        (1e9, {"open_timeout_max": 60}, 60),
        (None, {}, 10),
        (-5, {}, 10),
        (math.nan, {}, 10),
        (math.inf, {}, 10),
        ("soon", {}, 10),
    ],
)
def test_the_open_time_is_as_long_as_is_asked(
    clock: FakeClock, asked: Any, options: dict[str, Any], wait: float
) -> None:
    breaker = make(clock, failure_threshold=1, retry_after_from=lambda error: asked, **options)
    failing(breaker)
    assert breaker.snapshot().retry_after == wait


def test_asking_that_raises_asks_for_nothing_and_is_logged(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    breaker = make(clock, failure_threshold=1, retry_after_from=lambda error: 1 / 0)
    failing(breaker)
    logged = [each for each in caplog.records if "retry_after_from" in each.message]
    assert (breaker.snapshot().retry_after, len(logged)) == (10, 1)


def test_a_failed_result_is_asked_as_well(clock: FakeClock) -> None:
    breaker = make(
        clock,
        failure_threshold=1,
        failure_if=lambda result: result.status_code == 503,
        retry_after_from=lambda result: result.wait,
    )
    breaker.call(SimpleNamespace, status_code=503, wait=77)
    assert breaker.snapshot().retry_after == 77


# -- a fallback for failures ---------------------------------------------------------------------


def rescued(clock: FakeClock, **options: Any) -> CircuitBreaker:
    return make(
        clock,
        failure_threshold=1,
        fallback=lambda error: type(error).__name__,
        fallback_on_failure=True,
        **options,
    )


def ask(breaker: CircuitBreaker, form: str) -> object:
    async def fail_async() -> None:
        fail()

    if form == "call":
        return breaker.call(fail)
    if form == "decorator":
        return breaker(fail)()
    if form == "call_async":
        return asyncio.run(breaker.call_async(fail_async))
    return asyncio.run(breaker(fail_async)())


ASKING = ["call", "decorator", "call_async", "decorator_async"]


@pytest.mark.parametrize("form", ASKING)
def test_the_fallback_answers_for_a_failure_that_still_counts(clock: FakeClock, form: str) -> None:
    breaker = rescued(clock)
    assert (ask(breaker, form), state(breaker)) == ("BrokenError", State.OPEN)


@pytest.mark.parametrize("form", ASKING)
def test_the_fallback_answers_for_a_failed_trial(clock: FakeClock, form: str) -> None:
    breaker = rescued(clock)
    ask(breaker, form)
    clock.advance(10)
    assert ask(breaker, form) == "BrokenError"
    assert breaker.snapshot().transitions[-1].rule == "trial_failed"


@pytest.mark.parametrize("form", ASKING)
def test_the_fallback_does_not_answer_for_an_ignored_error(clock: FakeClock, form: str) -> None:
    breaker = rescued(clock, ignore=BrokenError)
    with pytest.raises(BrokenError):
        ask(breaker, form)


# -- over a shared store -------------------------------------------------------------------------


def test_a_rate_over_a_shared_store_stops_this_process_alone(tmp_path: Path) -> None:
    options = {"failure_threshold": None, "failure_rate": 0.5, "minimum_calls": 4}
    url, clock = f"sqlite:///{tmp_path}/shared.db", FakeClock()
    stores = [CacheStore(url), CacheStore(url)]
    here, there = (
        BreakerRegistry({"payments": options}, store=each, clock=clock)["payments"]
        for each in stores
    )
    working(there)
    working(here, 2)
    failing(here, 2)
    shown = [(each.snapshot().state, each.snapshot().scope) for each in (here, there)]
    for each in stores:
        each.close()
    assert shown == [(State.OPEN, "process"), (State.CLOSED, "fleet")]
