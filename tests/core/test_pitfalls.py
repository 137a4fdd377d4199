"""What other circuit breakers get wrong, one test each, as far as memory can show it.

The numbers are those of the list of known bugs that the project keeps; the names are the cases'.
What needs a shared store, a framework or real processes is tested there.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import traceback
from typing import Any, NoReturn

import pytest

from breaker_core import (
    BreakerConfig,
    BreakerRegistry,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    State,
    UnknownBreakerError,
)
from breaker_core.testing import FakeClock

OPEN_TIME = 10.0


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def fail() -> NoReturn:
    raise Down


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make(clock: FakeClock, **options: Any) -> CircuitBreaker:
    settings = {"failure_threshold": 2, "open_timeout": OPEN_TIME, "trial_timeout": 60, **options}
    return CircuitBreaker("x", BreakerConfig(**settings), clock=clock)


def failing(breaker: CircuitBreaker, times: int = 1) -> CircuitBreaker:
    for _ in range(times):
        with pytest.raises(Down):
            breaker.call(fail)
    return breaker


def due(clock: FakeClock, **options: Any) -> CircuitBreaker:
    breaker = failing(make(clock, **options), 2)
    clock.advance(OPEN_TIME)
    return breaker


def rejects(breaker: CircuitBreaker) -> bool:
    try:
        breaker.call(int)
    except CircuitOpenError:
        return True
    return False


# -- half-open is not a gate ---------------------------------------------------------------------


def _herd(breaker: CircuitBreaker, callers: int) -> tuple[int, int]:
    """Return how many of *callers* threads came through to the dependency, and were rejected."""
    together, leave = threading.Barrier(callers), threading.Event()
    passed: list[int] = []
    rejected: list[int] = []

    def dependency() -> None:
        passed.append(1)
        assert leave.wait(10)

    def caller() -> None:
        together.wait()
        try:
            breaker.call(dependency)
        except CircuitOpenError:
            rejected.append(1)

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for each in threads:
        each.start()
    deadline = time.monotonic() + 10
    while len(passed) + len(rejected) < callers and time.monotonic() < deadline:
        time.sleep(0.002)
    leave.set()
    for each in threads:
        each.join()
    return len(passed), len(rejected)


@pytest.mark.parametrize("most", [1, 3])
def test_threads_herd(clock: FakeClock, most: int) -> None:
    """1, 2, 44: of fifty threads as many as configured try, the others are rejected."""
    assert _herd(due(clock, half_open_max_calls=most), 50) == (most, 50 - most)


def test_tasks_herd_and_async_queueing(clock: FakeClock) -> None:
    """2, 3: of fifty tasks one tries; the others are rejected at once and wait for nothing."""
    breaker = due(clock)

    async def main() -> tuple[int, int]:
        passed = []
        leave = asyncio.Event()

        async def dependency() -> None:
            passed.append(1)
            await leave.wait()

        tasks = [asyncio.create_task(breaker.call_async(dependency)) for _ in range(50)]
        deadline = time.monotonic() + 5
        while sum(each.done() for each in tasks) < 49 and time.monotonic() < deadline:
            await asyncio.sleep(0)
        done = [each for each in tasks if each.done()]
        rejected = sum(isinstance(each.exception(), CircuitOpenError) for each in done)
        leave.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(passed), rejected

    assert asyncio.run(main()) == (1, 49)


# -- dead, cancelled or odd trials ---------------------------------------------------------------


def test_lost_lease_wedge(clock: FakeClock) -> None:
    """4, 5, 36: a trial that never ends is given up, and rejected callers prolong nothing."""
    breaker = due(clock)
    breaker.guard().__enter__()
    for _ in range(59):
        clock.advance(1)
        assert rejects(breaker)
    clock.advance(1)
    assert not rejects(breaker)
    assert breaker.state is State.CLOSED


def test_cancelled_probe_wedge(clock: FakeClock) -> None:
    """4: one time-out around the call, and the next call tries again."""
    breaker = due(clock)

    async def main() -> None:
        async with asyncio.timeout(0.01):
            await breaker.call_async(asyncio.Event().wait)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert not rejects(breaker)


def test_excluded_exception_wedge(clock: FakeClock) -> None:
    """6, 34: an ignored exception in half-open frees its own permit."""
    breaker = due(clock, ignore=KeyError)
    with pytest.raises(KeyError):
        breaker.call({}.__getitem__, "missing")
    assert breaker.state is State.HALF_OPEN
    assert not rejects(breaker)


def test_late_ignored_outcome_frees_no_other_permit(clock: FakeClock) -> None:
    """34: a call from before the trip, ignored in half-open, is not the trial."""
    breaker = make(clock)
    late = breaker.guard()
    late.__enter__()
    failing(breaker, 2)
    clock.advance(OPEN_TIME)
    outcome: list[bool] = []

    def trial() -> None:
        late.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        thread = threading.Thread(target=lambda: outcome.append(rejects(breaker)))
        thread.start()
        thread.join()

    breaker.call(trial)
    assert outcome == [True]


def test_classifier_raises(clock: FakeClock) -> None:
    """7: a predicate's own bug in a trial keeps no permit and hurts no call."""
    breaker = due(clock, failure_if=lambda result: result.status_code >= 500)
    assert breaker.call(lambda: "no response") == "no response"
    assert breaker.snapshot().trials == 0


class GreenletTimeout(BaseException):
    """As gevent's."""


@pytest.mark.parametrize("kind", [GreenletTimeout, KeyboardInterrupt, SystemExit, MemoryError])
def test_error_outside_the_usual_class(clock: FakeClock, kind: type[BaseException]) -> None:
    """35: whatever ends a trial, its permit comes back."""
    breaker = due(clock)
    with pytest.raises(kind), breaker:
        raise kind
    assert breaker.snapshot().trials == 0


def test_caller_and_callee_lock_out(clock: FakeClock) -> None:
    """37: the same breaker around a caller and its callee closes all the same."""
    breaker = due(clock)
    inner = breaker(lambda: "fine")
    assert breaker(inner)() == "fine"
    assert breaker.state is State.CLOSED


# -- stale outcomes ------------------------------------------------------------------------------


def _late(clock: FakeClock, state: State, error: BaseException | None) -> CircuitBreaker:
    """Return a breaker in *state* in which a call from before the trip ended by *error*."""
    breaker = make(clock, half_open_max_calls=2, success_threshold=2)
    late = breaker.guard()
    late.__enter__()
    failing(breaker, 2)
    if state is State.HALF_OPEN:
        clock.advance(OPEN_TIME)
        breaker.call(int)
    clock.advance(1)
    late.__exit__(error and type(error), error, None)
    return breaker


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_OPEN])
def test_stale_success(clock: FakeClock, state: State) -> None:
    """8, 34: a slow success from before the trip closes nothing, nor does it count as a trial."""
    assert _late(clock, state, None).state is state


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_OPEN])
def test_stale_failure(clock: FakeClock, state: State) -> None:
    """9, 34, 42: a slow failure neither prolongs the open time nor opens a half-open breaker."""
    breaker = _late(clock, state, Down())
    assert breaker.state is state
    if state is State.OPEN:
        assert breaker.snapshot().retry_after == pytest.approx(OPEN_TIME - 1)


def test_stale_probe(clock: FakeClock) -> None:
    """10: a trial of an earlier round does not close a later one."""
    breaker = due(clock)
    lost = breaker.guard()
    lost.__enter__()
    clock.advance(60)
    thread = threading.Thread(target=lambda: failing(breaker))
    thread.start()
    thread.join()
    clock.advance(OPEN_TIME)
    inside: list[State] = []

    def later_round() -> None:
        lost.__exit__(None, None, None)
        inside.append(breaker.state)

    thread = threading.Thread(target=breaker.call, args=(later_round,))
    thread.start()
    thread.join()
    assert inside == [State.HALF_OPEN]


def test_straggling_failures_of_the_burst_prolong_nothing(clock: FakeClock) -> None:
    """42: ten calls fail together; the end of the open time is that of the one that opened."""
    breaker = make(clock)
    burst = [breaker.guard() for _ in range(10)]
    for each in burst:
        each.__enter__()
    for each in burst:
        each.__exit__(Down, Down(), None)
        clock.advance(0.5)
    snapshot = breaker.snapshot()
    assert len(snapshot.transitions) == 1
    assert snapshot.retry_after == pytest.approx(OPEN_TIME - 4.5)


# -- counters ------------------------------------------------------------------------------------


def test_notice_resets_counter(clock: FakeClock) -> None:
    """11: looking at a breaker clears no count."""
    breaker = failing(make(clock, failure_threshold=5), 4)
    for _ in range(3):
        assert breaker.state is State.CLOSED
        breaker.snapshot()
    assert failing(breaker).state is State.OPEN


def test_listener_sees_the_old_state(clock: FakeClock) -> None:
    """11: it is told after the change, and its own error leaves no half-made one."""
    breaker = make(clock)
    seen: list[State] = []

    def listener(event: object) -> None:
        seen.append(breaker.state)
        raise RuntimeError("a listener's own bug")

    breaker.listen(listener)
    failing(breaker, 2)
    assert (seen, breaker.state) == ([State.OPEN], State.OPEN)


def test_lost_failures(clock: FakeClock) -> None:
    """12: fifty failures at once, threshold fifty: open."""
    breaker = make(clock, failure_threshold=50)
    together = threading.Barrier(50)

    def dependency() -> NoReturn:
        together.wait()
        raise Down

    def caller() -> None:
        with pytest.raises(Down):
            breaker.call(dependency)

    threads = [threading.Thread(target=caller) for _ in range(50)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert breaker.state is State.OPEN


def test_success_in_flight_overwrites_open(clock: FakeClock) -> None:
    """13, 43: what was decided on an old state is not written over a new one."""
    breaker = make(clock)
    running = breaker.guard()
    running.__enter__()
    failing(breaker, 2)
    running.__exit__(None, None, None)
    assert breaker.state is State.OPEN


# -- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("open_timeout", [0.9, 0.5, 0.001])
def test_truncated_opened_at(clock: FakeClock, open_timeout: float) -> None:
    """16, 47: parts of a second count."""
    breaker = failing(make(clock, open_timeout=open_timeout), 2)
    clock.advance(open_timeout * 0.9)
    assert rejects(breaker)
    clock.advance(open_timeout * 0.1 + 1e-6)
    assert not rejects(breaker)


def test_timezone(monkeypatch: pytest.MonkeyPatch) -> None:
    """17: where the host stands changes no wait."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        breaker = failing(CircuitBreaker("x", BreakerConfig(failure_threshold=2)), 2)
        retry_after = breaker.snapshot().retry_after
    finally:
        monkeypatch.undo()
        time.tzset()
    assert retry_after == pytest.approx(30, abs=2)


def test_expired_open_time_does_not_close_without_a_trial(clock: FakeClock) -> None:
    """47: after a year of silence the next call is a trial, one failure opens again."""
    breaker = failing(make(clock), 2)
    clock.advance(365 * 86_400)
    assert failing(breaker).state is State.OPEN


def test_rare_traffic_recovers(clock: FakeClock) -> None:
    """48: successful trials may be days apart."""
    breaker = due(clock, success_threshold=3)
    for _ in range(3):
        clock.advance(86_400)
        breaker.call(int)
    assert breaker.state is State.CLOSED


# -- locks ---------------------------------------------------------------------------------------


def test_lock_held_during_the_call(clock: FakeClock) -> None:
    """20, 43: eight slow calls run at the same time."""
    breaker = make(clock)
    together = threading.Barrier(8)
    threads = [
        threading.Thread(target=breaker.call, args=(together.wait, 10), daemon=True)
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert not together.broken
    assert breaker.snapshot().totals["successes"] == 8


def test_threads_per_breaker() -> None:
    """21: fifty breakers start no thread."""
    before = threading.active_count()
    registry = BreakerRegistry({f"b{each}": {} for each in range(50)})
    for name in registry:
        registry[name].call(int)
    assert threading.active_count() == before


def test_second_loop(clock: FakeClock) -> None:
    """21: one breaker serves one event loop after the other."""
    breaker = make(clock)

    async def fail_async() -> NoReturn:
        raise Down

    for _ in range(2):
        with pytest.raises(Down):
            asyncio.run(breaker.call_async(fail_async))
    assert breaker.state is State.OPEN


# -- what a call means -----------------------------------------------------------------------------


class AsyncCallable:
    async def __call__(self) -> NoReturn:
        raise Down


@pytest.mark.parametrize("fn", [AsyncCallable(), functools.partial(AsyncCallable())])
def test_async_never_trips(clock: FakeClock, fn: Any) -> None:
    """25: objects with an async __call__ and partials of them count when they are awaited."""
    breaker = make(clock)
    guarded = breaker(fn)
    for _ in range(2):
        with pytest.raises(Down):
            asyncio.run(guarded())
    assert breaker.state is State.OPEN


def test_is_coroutine_cached_by_id(clock: FakeClock) -> None:
    """25: short-lived closures, sync and async in turn, are told apart."""
    breaker = make(clock)

    def closure(number: int) -> Any:
        async def answer() -> int:
            return number

        return answer if number % 2 else lambda: number

    for number in range(200):
        result = breaker(closure(number))()
        assert (asyncio.run(result) if number % 2 else result) == number


def test_context_manager_ignores_open(clock: FakeClock) -> None:
    """26: the body does not run while open."""
    breaker = failing(make(clock), 2)
    with pytest.raises(CircuitOpenError), breaker:
        pytest.fail("the body ran")
    assert breaker.state is State.OPEN


def test_cancel_closes(clock: FakeClock) -> None:
    """26: a cancelled trial is no success."""
    breaker = due(clock)
    with pytest.raises(asyncio.CancelledError), breaker:
        raise asyncio.CancelledError
    assert breaker.state is State.HALF_OPEN


def test_base_exception_counted(clock: FakeClock) -> None:
    """27: it passes on unchanged and counts for nothing."""
    breaker = make(clock)
    error = KeyboardInterrupt()
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt) as caught, breaker:
            raise error
        assert caught.value is error
    assert breaker.state is State.CLOSED


def test_generator_break(clock: FakeClock) -> None:
    """28: a generator is refused; around a part of it, ``break`` is no failure."""
    breaker = make(clock)

    def rows() -> Any:
        for each in range(3):
            with breaker:
                yield each

    with pytest.raises(ConfigurationError):
        breaker(rows)
    for _ in range(5):
        stream = rows()
        next(stream)
        stream.close()
    assert (breaker.state, breaker.snapshot().totals["failures"]) == (State.CLOSED, 0)


class Meta(type):
    pass


class Excluded(Exception, metaclass=Meta):  # noqa: N818
    """Of a class with a metaclass."""


def test_metaclass_exclude(clock: FakeClock) -> None:
    """29: it excludes itself and nothing else."""
    breaker = make(clock, ignore=Excluded)
    for _ in range(5):
        with pytest.raises(Excluded), breaker:
            raise Excluded
    assert breaker.state is State.CLOSED
    assert failing(breaker, 2).state is State.OPEN


def test_falsy_option(clock: FakeClock) -> None:
    """30: 0 is 0 and no default."""
    breaker = failing(make(clock, open_timeout=0), 2)
    assert breaker.config.open_timeout == 0
    assert not rejects(breaker)


def test_monitor_clash() -> None:
    """30: breakers have names, whatever the functions are called."""
    registry = BreakerRegistry({"a": {"failure_threshold": 1}, "b": {}})

    def get() -> NoReturn:
        raise Down

    for name in ("a", "b"):
        with pytest.raises(Down):
            registry[name](get)()
    assert [each.state for each in registry.snapshots()] == [State.OPEN, State.CLOSED]


def test_traceback_leak(clock: FakeClock) -> None:
    """31: the thousandth rejection has as many frames as the first."""
    breaker = failing(make(clock), 2)
    guarded = breaker(int)
    lengths = set()
    for _ in range(1000):
        with pytest.raises(CircuitOpenError) as caught:
            guarded()
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(lengths) == 1


def test_manual_reset(clock: FakeClock) -> None:
    """32: a reset while open stays."""
    breaker = failing(make(clock), 2)
    breaker.reset(by="alice")
    assert not rejects(breaker)
    assert breaker.snapshot().transitions[-1].by == "alice"


# -- after closing, listeners, forced, names -------------------------------------------------------


def test_count_survives_closing(clock: FakeClock) -> None:
    """38: closed again, it takes the full threshold to open."""
    breaker = due(clock)
    breaker.call(int)
    assert failing(breaker).state is State.CLOSED
    assert failing(breaker).state is State.OPEN


def test_success_trips(clock: FakeClock) -> None:
    """38: the end of a good call never opens."""
    breaker = make(clock)
    guards = [breaker.guard() for _ in range(3)]
    for each in guards:
        each.__enter__()
    failing(breaker)
    for each in guards:
        each.__exit__(None, None, None)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("when", ["opening", "closing"])
def test_listener_raises(clock: FakeClock, when: str) -> None:
    """39: the caller gets its own result or error, the others are told, nothing is counted."""
    breaker = make(clock) if when == "opening" else due(clock)
    told: list[object] = []

    def listener(event: object) -> NoReturn:
        raise RuntimeError("a listener's own bug")

    breaker.listen(listener)
    breaker.listen(told.append)
    if when == "opening":
        failing(breaker, 2)
    else:
        assert breaker.call(lambda: "result") == "result"
        assert breaker.state is State.CLOSED
    assert told


def test_forced_open_counter_stands_still(clock: FakeClock) -> None:
    """40: rejections count while forced open."""
    breaker = make(clock)
    breaker.force_open()
    assert [rejects(breaker) for _ in range(3)] == [True] * 3
    assert breaker.snapshot().totals["rejections"] == 3


def test_unknown_name_creates_a_breaker() -> None:
    """41: it is an error that names the nearest."""
    registry = BreakerRegistry({"payments": {}})
    with pytest.raises(UnknownBreakerError, match="did you mean 'payments'"):
        registry["paymants"]
    assert list(registry) == ["payments"]


def test_operators_lock_evaporates(clock: FakeClock) -> None:
    """46: without an end it holds for years."""
    breaker = make(clock)
    breaker.force_open()
    clock.advance(10 * 365 * 86_400)
    assert rejects(breaker)


def test_error_text_that_is_not_utf_8(clock: FakeClock) -> None:
    """51: it is kept as what every store and page can take."""
    breaker = make(clock, record_error_messages=True)
    with pytest.raises(ValueError, match="down"), breaker:
        raise ValueError("down \ud800\udfff \x00")
    breaker.snapshot().last_error.encode("utf-8")


def test_memory_grows_with_calls(clock: FakeClock) -> None:
    """49: what a breaker knows is bounded, however many calls, rounds and acts there were."""
    breaker = make(clock, failure_threshold=1)
    for _ in range(100):
        with pytest.raises(Down):
            breaker.call(fail)
        rejects(breaker)
        clock.advance(OPEN_TIME)
        breaker.force_closed()
        breaker.clear_override()
    snapshot = breaker.snapshot()
    assert len(snapshot.transitions) == 20
    assert snapshot.trials <= 1
