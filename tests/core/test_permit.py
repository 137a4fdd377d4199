"""Calls in two phases: let in here, ended elsewhere, or forgotten."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import (
    BreakerConfig,
    BreakerRegistry,
    CircuitBreaker,
    CircuitOpenError,
    Permit,
    State,
)
from breaker_core.stores import CacheStore
from breaker_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS: dict[str, Any] = {"failure_threshold": 1, "open_timeout": 10}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "shared"])
def breaker(
    request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> Iterator[CircuitBreaker]:
    if request.param == "memory":
        yield CircuitBreaker("payments", BreakerConfig(**OPTIONS), clock=clock)
        return
    store = CacheStore(f"sqlite:///{tmp_path}/shared.db")
    yield BreakerRegistry({"payments": OPTIONS}, store=store, clock=clock)["payments"]
    store.close()


def admit(breaker: CircuitBreaker, way: str) -> Permit:
    return breaker.admit() if way == "sync" else asyncio.run(breaker.admit_async())


def end(permit: Permit, way: str, how: str, *args: Any) -> None:
    """End *permit* by ``how(*args)`` or its async form."""
    if way == "sync":
        getattr(permit, how)(*args)
    else:
        asyncio.run(getattr(permit, f"{how}_async")(*args))


def trip(breaker: CircuitBreaker, clock: FakeClock) -> None:
    """Open *breaker* and wait until a trial is due."""
    breaker.admit().failed(TimeoutError())
    clock.advance(10)


both_ways = pytest.mark.parametrize("way", ["sync", "async"])


@both_ways
def test_a_permit_that_failed_counts_as_a_failure(breaker: CircuitBreaker, way: str) -> None:
    """And the next one is not given."""
    end(admit(breaker, way), way, "failed", TimeoutError())
    assert breaker.snapshot().last_error == "TimeoutError"
    with pytest.raises(CircuitOpenError):
        admit(breaker, way)
    assert breaker.snapshot().totals["rejections"] == 1


@both_ways
def test_a_trial_that_succeeded_closes(breaker: CircuitBreaker, clock: FakeClock, way: str) -> None:
    """Rule 5."""
    trip(breaker, clock)
    permit = admit(breaker, way)
    assert breaker.snapshot().trials == 1
    end(permit, way, "succeeded")
    assert breaker.state is State.CLOSED


@both_ways
def test_an_abandoned_trial_counts_neither_way(
    breaker: CircuitBreaker, clock: FakeClock, way: str
) -> None:
    """Its permit goes back at once."""
    trip(breaker, clock)
    end(admit(breaker, way), way, "abandoned")
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.trials, snapshot.totals["ignored"]) == (State.HALF_OPEN, 0, 1)


@both_ways
@pytest.mark.parametrize(("args", "state"), [((5,), State.OPEN), ((), State.CLOSED)])
def test_a_result_is_judged_if_there_is_one(way: str, args: tuple[int, ...], state: State) -> None:
    """A call without a result has none that a predicate could judge."""
    config = BreakerConfig(failure_if=lambda result: result == 5 or result is None, **OPTIONS)
    breaker = CircuitBreaker("payments", config)
    end(admit(breaker, way), way, "succeeded", *args)
    assert breaker.state is state


def test_none_is_a_result() -> None:
    """What is left out is not."""
    config = BreakerConfig(failure_if=lambda result: result is None, **OPTIONS)
    breaker = CircuitBreaker("payments", config)
    breaker.admit().succeeded(None)
    assert breaker.state is State.OPEN


def test_an_ignored_error_counts_neither_way() -> None:
    """Rule 1 judges what ``failed`` is given."""
    breaker = CircuitBreaker("payments", BreakerConfig(ignore=LookupError, **OPTIONS))
    breaker.admit().failed(KeyError())
    assert breaker.snapshot().totals["ignored"] == 1


@both_ways
@pytest.mark.parametrize("first", ["succeeded", "abandoned"])
@pytest.mark.parametrize(("second", "args"), [("succeeded", ()), ("failed", (TimeoutError(),))])
def test_an_end_after_the_end_is_refused(
    breaker: CircuitBreaker, way: str, first: str, second: str, args: tuple[Any, ...]
) -> None:
    """Else a call would count twice."""
    permit = breaker.admit()
    end(permit, way, first)
    with pytest.raises(RuntimeError) as caught:
        end(permit, way, second, *args)
    assert str(caught.value) == (
        "this permit has ended: a call is let in once and ends once. Ask for another with "
        "breaker.admit()"
    )
    assert breaker.snapshot().totals["calls"] == 1


@both_ways
def test_abandoning_what_has_ended_does_nothing(breaker: CircuitBreaker, way: str) -> None:
    """So it can stand in a ``finally``."""
    permit = breaker.admit()
    permit.succeeded()
    end(permit, way, "abandoned")
    assert breaker.snapshot().totals["calls"] == 1


@both_ways
@pytest.mark.parametrize("error", [TimeoutError, "status 500", None])
def test_a_failure_without_an_exception_is_refused(
    breaker: CircuitBreaker, way: str, error: Any
) -> None:
    """And the permit is still there to be ended."""
    permit = breaker.admit()
    with pytest.raises(TypeError) as caught:
        end(permit, way, "failed", error)
    assert str(caught.value) == (
        f"failed() takes the exception that the call raised; got {error!r}. A result that is "
        "a failure goes to succeeded(result), where failure_if judges it"
    )
    permit.succeeded()


def test_a_permit_may_end_in_another_thread(breaker: CircuitBreaker, clock: FakeClock) -> None:
    """Of a trial too."""
    trip(breaker, clock)
    permit = breaker.admit()
    thread = threading.Thread(target=permit.succeeded)
    thread.start()
    thread.join(5)
    assert breaker.state is State.CLOSED


def test_what_runs_beside_a_permit_is_no_part_of_its_trial(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    """One loop may ask for many: half-open stays a gate."""
    trip(breaker, clock)
    permit = breaker.admit()
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    permit.succeeded()


def test_a_permit_inside_a_trial_passes_uncounted(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    """Rule 1: a breaker must not lock itself out."""
    trip(breaker, clock)
    with breaker:
        breaker.admit().failed(TimeoutError())
    assert breaker.state is State.CLOSED


@both_ways
def test_a_forgotten_trial_is_given_back_by_the_next_call(
    breaker: CircuitBreaker, clock: FakeClock, way: str
) -> None:
    """Long before ``trial_timeout``."""
    trip(breaker, clock)
    permit = breaker.admit()
    del permit
    gc.collect()
    end(admit(breaker, way), way, "succeeded")
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.totals["ignored"]) == (State.CLOSED, 1)


def test_a_finaliser_only_takes_down_that_a_permit_was_forgotten(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    """It may run while any lock is held, so it asks for none and tells nobody."""
    trip(breaker, clock)
    permit = breaker.admit()
    del permit
    gc.collect()
    assert breaker.snapshot().trials == 1


def test_a_permit_that_ended_is_not_forgotten(breaker: CircuitBreaker) -> None:
    """It counts once."""
    permit = breaker.admit()
    permit.succeeded()
    del permit
    gc.collect()
    breaker.admit().succeeded()
    assert breaker.snapshot().totals["calls"] == 2


def test_a_permit_that_a_fork_took_along_is_the_parents(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropped in the child, it must not end the parent's trial."""
    breaker = CircuitBreaker("payments", BreakerConfig(**OPTIONS), clock=clock)
    permit = breaker.admit()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    del permit
    gc.collect()
    assert not breaker._home.forgotten


def test_a_permit_says_whether_it_has_ended(breaker: CircuitBreaker) -> None:
    """For people who look at it."""
    permit = breaker.admit()
    before = repr(permit)
    permit.succeeded()
    assert (before, repr(permit)) == ("<Permit, under way>", "<Permit, ended>")


def test_a_forgotten_permit_is_not_taken_for_a_slow_call(clock: FakeClock) -> None:
    """Rule 9: the time is evidence, and how long nobody noticed is none."""
    options = {"slow_call_duration": 1, "slow_call_rate": 0.5, "minimum_calls": 1}
    config = BreakerConfig(**options)  # type: ignore[arg-type]
    breaker = CircuitBreaker("payments", config, clock=clock)
    permit = breaker.admit()
    clock.advance(100)
    del permit
    gc.collect()
    breaker.admit().succeeded()
    assert breaker.state is State.CLOSED
    assert breaker.snapshot().rates["slow"] == 0.0


def test_a_permit_abandoned_after_a_long_time_is_a_slow_call(clock: FakeClock) -> None:
    """Rule 9: it had run that long when somebody gave it up."""
    options = {"slow_call_duration": 1, "slow_call_rate": 0.5, "minimum_calls": 1}
    config = BreakerConfig(**options)  # type: ignore[arg-type]
    breaker = CircuitBreaker("payments", config, clock=clock)
    permit = breaker.admit()
    clock.advance(100)
    permit.abandoned()
    assert breaker.state is State.OPEN
