"""The fast path, which decides nothing, held against ``decide``, which decides everything."""

from __future__ import annotations

import gc
import threading
import traceback
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breaker_core import BreakerConfig, BreakerRegistry, CircuitBreaker, CircuitOpenError, State
from breaker_core.decide import Admit, Failed, Succeeded, decide, reason_of
from breaker_core.record import start
from breaker_core.stores import MemoryStore
from breaker_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = BreakerConfig(failure_threshold=3, open_timeout=10, failure_if=lambda result: result == 9)


class BrokenError(Exception):
    """The dependency's own."""


def fail(*_: object) -> None:
    raise BrokenError


def return_failure() -> int:
    return 9


def trip(breaker: CircuitBreaker, times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(BrokenError):
            breaker.call(fail)


def refusal(breaker: CircuitBreaker) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(int)
    return caught.value


# -- the same record -----------------------------------------------------------------------------


def do(breaker: CircuitBreaker, form: str, function: Callable[[], object]) -> None:
    with suppress(BrokenError, CircuitOpenError):
        if form == "call":
            breaker.call(function)
        elif form == "decorator":
            breaker(function)()
        else:
            with breaker:
                function()


ENDS: dict[str, Callable[[], object]] = {"ok": int, "error": fail, "result": return_failure}
STEPS = st.tuples(
    st.sampled_from(["call", "decorator", "with"]),
    st.sampled_from(sorted(ENDS)),
    st.sampled_from([0.0, 0.0, 1.0, 10.0]),
)


@given(st.lists(STEPS, max_size=40), st.sampled_from([3, None]))
def test_a_history_by_the_fast_path_is_that_of_decide(
    steps: list[tuple[str, str, float]], threshold: int | None
) -> None:
    clock = FakeClock()
    config = replace(
        CONFIG,
        failure_threshold=threshold,
        failure_rate=None if threshold else 0.9,
        minimum_calls=1000,
    )
    config = replace(config, failure_if=None if threshold is None else CONFIG.failure_if)
    breaker = CircuitBreaker("payments", config, clock=clock)
    model = start("payments", clock.now())
    for form, end, passed in steps:
        clock.advance(passed)
        do(breaker, form, ENDS[end])
        model, admitted = decide(model, Admit(permit="p"), clock.now(), config)
        if admitted.admitted:
            judged = end == "error" or (
                end == "result" and config.failure_if is not None and form != "with"
            )
            error = {"error": "BrokenError", "result": "int"}.get(end, "") if judged else ""
            kind = Failed if judged else Succeeded
            ended = kind(epoch=model.epoch, permit=admitted.permit, error=error)
            model, _ = decide(model, ended, clock.now(), config)
        shown = breaker.snapshot()
        assert (shown.state, shown.consecutive_failures) == (model.state, model.streak)
        assert (shown.last_error, shown.last_error_at) == (model.last_error, model.last_error_at)
        assert shown.opened_at == model.opened_at
        assert [(each.at, each.rule, each.count) for each in shown.transitions] == [
            (each.at, each.rule, each.count) for each in model.transitions
        ]


def test_eight_threads_lose_no_count() -> None:
    breaker = CircuitBreaker("payments", BreakerConfig(failure_threshold=1_000_000))

    def run() -> None:
        guarded = breaker(lambda: None)
        for number in range(2000):
            if number % 10:
                guarded()
            else:
                with suppress(BrokenError):
                    breaker.call(fail)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    totals = breaker.snapshot().totals
    assert (totals["successes"], totals["failures"]) == (14_400, 1600)


# -- the wall ------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opened(clock: FakeClock) -> CircuitBreaker:
    breaker = CircuitBreaker("payments", CONFIG, clock=clock)
    trip(breaker)
    return breaker


@pytest.mark.parametrize("later", [0.0, 5.0, 9.875])
def test_a_rejection_by_the_wall_is_that_of_decide(
    opened: CircuitBreaker, clock: FakeClock, later: float
) -> None:
    clock.advance(later)
    model = start("payments", clock.now() - later)
    for _ in range(3):
        failed = Failed(epoch=model.epoch, error="BrokenError")
        model, _ = decide(model, failed, clock.now() - later, CONFIG)
    _, decision = decide(model, Admit(permit="p"), clock.now(), CONFIG)
    error = refusal(opened)
    told = (error.name, error.state, error.retry_after, error.reason, error.last_error)
    reason = reason_of(model, clock.now())
    assert told == ("payments", State.OPEN, decision.retry_after, reason, "BrokenError")


def test_at_the_very_end_of_the_open_time_a_call_is_a_trial(
    opened: CircuitBreaker, clock: FakeClock
) -> None:
    clock.advance(10.0)
    assert opened.call(int) == 0


@pytest.mark.parametrize("act", ["reset", "try_now", "force_closed"])
def test_a_call_passes_at_once_where_an_operator_takes_the_wall_away(
    opened: CircuitBreaker, act: str
) -> None:
    refusal(opened)
    getattr(opened, act)()
    assert opened.call(int) == 0


def test_a_forced_open_breaker_says_so_although_there_was_a_wall(opened: CircuitBreaker) -> None:
    refusal(opened)
    opened.force_open(by="alice", reason="audit")
    assert refusal(opened).reason == "forced open by alice: audit"


def test_once_an_override_ended_by_itself_a_rejection_names_the_failures_again(
    opened: CircuitBreaker, clock: FakeClock
) -> None:
    opened.force_open(for_=2)
    clock.advance(3)
    refusal(opened)  # notices the end
    assert refusal(opened).reason == "3 failures in a row (opens at 3)"


def test_two_registries_on_one_memory_store_reject_alike(clock: FakeClock) -> None:
    store = MemoryStore()
    options = {"failure_threshold": 3, "open_timeout": 10}
    first, second = (
        BreakerRegistry({"payments": options}, store=store, clock=clock)["payments"]
        for _ in range(2)
    )
    trip(first)
    clock.advance(4)
    assert [refusal(each).retry_after for each in (first, second)] == [6.0, 6.0]


# -- what the caller sees ------------------------------------------------------------------------


def by_call(breaker: CircuitBreaker) -> Any:
    return breaker.call(fail)


def by_decorator(breaker: CircuitBreaker) -> Any:
    return breaker(fail)()


@pytest.mark.parametrize("way", [by_call, by_decorator])
def test_the_breaker_adds_one_frame_to_a_traceback(way: Callable[[CircuitBreaker], Any]) -> None:
    breaker = CircuitBreaker("payments", CONFIG)
    with pytest.raises(BrokenError) as caught:
        way(breaker)
    names = [each.name for each in traceback.extract_tb(caught.value.__traceback__)]
    assert (len(names), names[1], names[-1]) == (4, way.__name__, "fail")


@pytest.mark.parametrize("way", [by_call, by_decorator])
def test_no_error_is_kept(way: Callable[[CircuitBreaker], Any]) -> None:
    breaker = CircuitBreaker("payments", CONFIG)
    kept: list[weakref.ref[BrokenError]] = []
    for _ in range(3):
        try:
            way(breaker)
        except BrokenError as error:
            kept.append(weakref.ref(error))
    gc.collect()
    assert [each() for each in kept] == [None, None, None]


def test_the_wall_after_an_override_does_not_name_the_override(clock: FakeClock) -> None:
    """Rule 7: it has ended, so every rejection names the failures, not the first one only."""
    config = BreakerConfig(failure_threshold=1, open_timeout=100)
    breaker = CircuitBreaker("x", config, clock=clock)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    breaker.force_open(by="alice", for_=2)
    clock.advance(3)
    reasons = set()
    for _ in range(3):
        with pytest.raises(CircuitOpenError) as caught:
            breaker.call(int)
        reasons.add(caught.value.reason)
    assert reasons == {"1 failure in a row (opens at 1)"}
