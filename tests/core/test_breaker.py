"""The breaker as its users hold it: call, enter, look, act, and the error of a rejection."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import traceback
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from breaker_core import (
    BreakerConfig,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    OverrideKind,
    State,
)
from breaker_core.testing import FakeClock

CONFIG = BreakerConfig(failure_threshold=2, open_timeout=10, trial_timeout=60)


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def fail(*args: Any) -> NoReturn:
    raise Down(*args)


async def fail_async(*args: Any) -> NoReturn:
    raise Down(*args)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker("payments", CONFIG, clock=clock)


@pytest.fixture
def opened(breaker: CircuitBreaker) -> CircuitBreaker:
    for _ in range(2):
        with pytest.raises(Down):
            breaker.call(fail)
    return breaker


@pytest.fixture
def due(opened: CircuitBreaker, clock: FakeClock) -> CircuitBreaker:
    """A breaker whose next call is a trial."""
    clock.advance(10)
    return opened


def trials(breaker: CircuitBreaker) -> int:
    return breaker.snapshot().trials


# -- making one --------------------------------------------------------------------------------


def test_a_breaker_without_a_configuration_has_the_defaults() -> None:
    """And a memory of its own."""
    assert CircuitBreaker("x").config == BreakerConfig()


def test_a_mapping_instead_of_a_configuration_is_refused() -> None:
    """With what takes one."""
    with pytest.raises(ConfigurationError) as caught:
        CircuitBreaker("x", {"failure_threshold": 3})  # type: ignore[arg-type]
    assert str(caught.value) == (
        "config must be a BreakerConfig; got {'failure_threshold': 3}. "
        "Options in a mapping are for BreakerRegistry"
    )


@pytest.mark.parametrize("name", ["", "a\nb", None])
def test_a_wrong_name_is_refused(name: Any) -> None:
    """As everywhere."""
    with pytest.raises(ConfigurationError, match=r"^name: a breaker's name must be a text"):
        CircuitBreaker(name)


def test_a_wrong_store_is_refused() -> None:
    """With what is one."""
    with pytest.raises(ConfigurationError, match=r"^store must be MemoryStore\(\), CacheStore"):
        CircuitBreaker("x", store="redis://localhost")  # type: ignore[arg-type]


def test_a_breaker_shows_its_name_and_where_its_state_is() -> None:
    """In a debugger."""
    assert repr(CircuitBreaker("x")) == "<CircuitBreaker 'x' in memory of this process>"


# -- call --------------------------------------------------------------------------------------


def test_call_returns_what_the_function_returns(breaker: CircuitBreaker) -> None:
    """With all its arguments."""
    assert breaker.call(lambda *args, **kwargs: (args, kwargs), 1, fn=2) == ((1,), {"fn": 2})


def test_call_raises_the_functions_own_exception(breaker: CircuitBreaker) -> None:
    """The very same object."""
    error = Down("no")

    def raise_it() -> None:
        raise error

    with pytest.raises(Down) as caught:
        breaker.call(raise_it)
    assert caught.value is error
    assert error.__cause__ is error.__context__ is None


def test_an_open_breaker_does_not_touch_the_dependency(opened: CircuitBreaker) -> None:
    """Rule 4."""
    calls: list[int] = []
    with pytest.raises(CircuitOpenError):
        opened.call(calls.append, 1)
    assert calls == []


def test_call_refuses_an_async_function(breaker: CircuitBreaker) -> None:
    """It would count the making of a coroutine."""
    with pytest.raises(ConfigurationError, match=r"use 'await breaker\.call_async"):
        breaker.call(fail_async)


async def _answer() -> int:
    return 7


def test_call_async_returns_what_the_function_returns(breaker: CircuitBreaker) -> None:
    """Awaited."""
    assert asyncio.run(breaker.call_async(_answer)) == 7


def test_call_async_counts_failures_and_rejects(breaker: CircuitBreaker) -> None:
    """As call does."""

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(Down):
                await breaker.call_async(fail_async)
        with pytest.raises(CircuitOpenError):
            await breaker.call_async(_answer)

    asyncio.run(main())


def test_call_takes_an_uncounted_result_of_failure_if_as_a_failure(clock: FakeClock) -> None:
    """Rule 1: and returns it all the same."""
    config = BreakerConfig(failure_threshold=1, failure_if=lambda result: result == 500)
    breaker = CircuitBreaker("x", config, clock=clock)
    assert breaker.call(lambda: 500) == 500
    assert (breaker.state, breaker.snapshot().last_error) == (State.OPEN, "int")


def test_a_predicate_that_raises_in_a_trial_neither_hurts_the_call_nor_keeps_the_permit(
    clock: FakeClock,
) -> None:
    """Rules 1 and 6: a success, logged."""
    config = BreakerConfig(failure_threshold=1, open_timeout=0, failure_if=lambda r: r.nothing)
    breaker = CircuitBreaker("x", config, clock=clock)
    with pytest.raises(Down):
        breaker.call(fail)
    assert breaker.call(lambda: "result") == "result"
    assert (breaker.state, trials(breaker)) == (State.CLOSED, 0)


# -- fallback ----------------------------------------------------------------------------------


def fallback(error: CircuitOpenError, *args: Any, **kwargs: Any) -> Any:
    return (error.name, args, kwargs)


async def fallback_async(error: CircuitOpenError, *args: Any) -> Any:
    return ("async", args)


def forced(clock: FakeClock, answer: Any) -> CircuitBreaker:
    breaker = CircuitBreaker("x", BreakerConfig(fallback=answer), clock=clock)
    breaker.force_open()
    return breaker


def test_a_fallback_answers_for_a_rejected_call_with_its_arguments(clock: FakeClock) -> None:
    """And is counted."""
    breaker = forced(clock, fallback)
    assert breaker.call(fail, 1, two=2) == ("x", (1,), {"two": 2})
    totals = breaker.snapshot().totals
    assert (totals["rejections"], totals["fallbacks"]) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "result"), [(fallback, ("x", (1,), {})), (fallback_async, ("async", (1,)))]
)
def test_a_fallback_of_an_async_call_may_be_async(
    clock: FakeClock, answer: Any, result: Any
) -> None:
    """Awaited if it is."""
    assert asyncio.run(forced(clock, answer).call_async(fail_async, 1)) == result


def test_a_fallback_does_not_answer_for_a_call_that_failed(clock: FakeClock) -> None:
    """Only for a rejected one."""
    breaker = CircuitBreaker("x", BreakerConfig(fallback=fallback), clock=clock)
    with pytest.raises(Down):
        breaker.call(fail)


def test_a_fallback_does_not_answer_for_another_breakers_rejection(clock: FakeClock) -> None:
    """That is the called function's own exception."""
    inner = forced(clock, None)
    outer = CircuitBreaker("outer", BreakerConfig(fallback=fallback), clock=clock)
    with pytest.raises(CircuitOpenError) as caught:
        outer.call(inner.call, int)
    assert caught.value.name == "x"


# -- the error ---------------------------------------------------------------------------------


def rejected(breaker: CircuitBreaker) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(int)
    return caught.value


def test_a_rejection_says_who_why_and_for_how_long(opened: CircuitBreaker) -> None:
    """All its attributes."""
    error = rejected(opened)
    assert (error.name, error.state, error.retry_after, error.reason, error.last_error) == (
        "payments",
        State.OPEN,
        10.0,
        "2 failures in a row (opens at 2)",
        "Down",
    )


def test_a_rejection_is_a_sentence(opened: CircuitBreaker, clock: FakeClock) -> None:
    """With and without a time to wait for."""
    clock.advance(0.5)
    assert str(rejected(opened)) == (
        "circuit breaker 'payments' is open: 2 failures in a row (opens at 2), retry in 9.5 s"
    )
    opened.force_open(by="al")
    assert str(rejected(opened)) == "circuit breaker 'payments' is open: forced open by al"


def test_a_rejection_shows_its_values(opened: CircuitBreaker) -> None:
    """In a debugger."""
    assert repr(rejected(opened)) == (
        "CircuitOpenError('payments', <State.OPEN: 'open'>, 10.0, "
        "'2 failures in a row (opens at 2)', 'Down')"
    )


def pickled(error: CircuitOpenError) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_a_rejection_can_be_copied_and_pickled(opened: CircuitBreaker, again: Any) -> None:
    """Task queues and test runners do it."""
    error = rejected(opened)
    other = again(error)
    assert type(other) is CircuitOpenError
    assert (str(other), other.args) == (str(error), error.args)


def test_every_rejection_is_a_fresh_exception(opened: CircuitBreaker) -> None:
    """So no traceback grows."""
    errors = [rejected(opened) for _ in range(50)]
    assert len({id(each) for each in errors}) == 50
    assert len({len(traceback.extract_tb(each.__traceback__)) for each in errors}) == 1


# -- exceptions that say nothing -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_of_the_dependency_is_ignored_and_frees_the_permit(
    due: CircuitBreaker, kind: type[BaseException]
) -> None:
    """Rule 1: half-open goes on."""

    def interrupted() -> None:
        assert trials(due) == 1
        raise kind

    with pytest.raises(kind):
        due.call(interrupted)
    assert (due.state, trials(due)) == (State.HALF_OPEN, 0)
    assert due.call(int) == 0


def test_a_cancelled_trial_frees_its_permit(due: CircuitBreaker) -> None:
    """Rule 1 and G6: a deadline around the call cancels it."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(due.call_async(asyncio.sleep, 60), 0.01)  # type: ignore[arg-type]

    asyncio.run(main())
    assert (due.state, trials(due)) == (State.HALF_OPEN, 0)


# -- a breaker inside its own trial --------------------------------------------------------------


def test_a_call_inside_a_trial_passes_and_is_not_counted(due: CircuitBreaker) -> None:
    """Rule 1: a breaker must not lock itself out."""

    def outer() -> str:
        with pytest.raises(Down):
            due.call(fail)
        assert due.state is State.HALF_OPEN
        return due.call(lambda: "inner")

    assert due.call(outer) == "inner"
    assert due.state is State.CLOSED


def test_a_task_started_inside_a_trial_is_ordinary_when_the_trial_has_ended(
    due: CircuitBreaker,
) -> None:
    """Rule 1: while it runs they pass; then the breaker's word counts for them."""

    async def background(go: asyncio.Event) -> tuple[str, bool]:
        first = await due.call_async(asyncio.sleep, 0, "passed")  # type: ignore[arg-type]
        await go.wait()
        try:
            await due.call_async(_answer)
        except CircuitOpenError:
            return first, True
        return first, False

    async def main() -> tuple[str, bool]:
        go = asyncio.Event()
        tasks: list[asyncio.Task[tuple[str, bool]]] = []

        async def trial() -> None:
            tasks.append(asyncio.create_task(background(go)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            raise Down

        with pytest.raises(Down):
            await due.call_async(trial)
        go.set()
        return await tasks[0]

    assert asyncio.run(main()) == ("passed", True)


def test_a_call_beside_a_trial_is_rejected(due: CircuitBreaker) -> None:
    """Rule 5: another thread's is not inside it."""
    result: list[object] = []

    def beside() -> None:
        try:
            due.call(int)
        except CircuitOpenError as error:
            result.append(error.state)

    def trial() -> None:
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()

    due.call(trial)
    assert result == [State.HALF_OPEN]


def test_a_call_after_a_trial_of_the_same_thread_is_ordinary(
    due: CircuitBreaker, clock: FakeClock
) -> None:
    """Rule 1: the trial leaves nothing behind."""
    with pytest.raises(Down):
        due.call(fail)
    with pytest.raises(CircuitOpenError):
        due.call(int)


def test_a_decorated_call_inside_a_trial_that_an_operator_ended_is_not_counted(
    due: CircuitBreaker,
) -> None:
    """Rule 1: also when the breaker was reset meanwhile and its gate stands open."""
    decorated = due(fail)

    def trial() -> None:
        due.reset()
        with pytest.raises(Down):
            decorated()

    due.call(trial)
    assert due.snapshot().consecutive_failures == 0


# -- with --------------------------------------------------------------------------------------


def test_with_counts_like_a_call(breaker: CircuitBreaker) -> None:
    """And rejects before the block begins."""
    for _ in range(2):
        with pytest.raises(Down), breaker:
            raise Down
    entered = False
    with pytest.raises(CircuitOpenError), breaker:
        entered = True
    assert not entered


def test_async_with_counts_like_a_call(breaker: CircuitBreaker) -> None:
    """And rejects before the block begins."""

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(Down):
                async with breaker:
                    raise Down
        with pytest.raises(CircuitOpenError):
            async with breaker:
                pytest.fail("the block was entered")

    asyncio.run(main())


def test_with_does_not_swallow_anything(breaker: CircuitBreaker) -> None:
    """Not even what is ignored."""
    with pytest.raises(KeyboardInterrupt), breaker:
        raise KeyboardInterrupt


def test_a_generator_closed_inside_a_block_frees_its_permit(due: CircuitBreaker) -> None:
    """Rule 1: GeneratorExit says nothing of the dependency."""

    def rows() -> Any:
        with due:
            yield 1

    stream = rows()
    assert next(stream) == 1
    stream.close()
    assert (due.state, trials(due)) == (State.HALF_OPEN, 0)


def test_blocks_of_one_breaker_may_be_nested(breaker: CircuitBreaker) -> None:
    """Each exit ends its own entry, the innermost first."""
    with breaker:
        with pytest.raises(Down), breaker:
            raise Down
        assert breaker.snapshot().consecutive_failures == 1
    assert breaker.snapshot().consecutive_failures == 0


def test_a_block_inside_the_block_of_a_trial_does_not_end_the_trial(due: CircuitBreaker) -> None:
    """Rule 1: the inner one's failure counts for nothing, the outer one's success closes."""
    with due, pytest.raises(Down), due:
        raise Down
    assert due.state is State.CLOSED


def test_a_guard_that_is_kept_after_its_end_lets_nothing_pass(due: CircuitBreaker) -> None:
    """Rule 1: the trial has ended, so what follows is ordinary."""
    guard = due.guard()
    with pytest.raises(Down), guard:
        raise Down
    with pytest.raises(CircuitOpenError):
        due.call(int)


def test_one_object_serves_many_threads(due: CircuitBreaker) -> None:
    """One of them is the trial and keeps its permit until its own end."""
    inside, leave = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def enter() -> None:
        try:
            with due:
                inside.set()
                assert leave.wait(5)
                outcomes.append("passed")
        except CircuitOpenError:
            outcomes.append("rejected")

    first = threading.Thread(target=enter)
    first.start()
    assert inside.wait(5)
    others = [threading.Thread(target=enter) for _ in range(5)]
    for each in others:
        each.start()
    for each in others:
        each.join(5)
    assert outcomes == ["rejected"] * 5
    assert trials(due) == 1
    leave.set()
    first.join(5)
    assert (due.state, outcomes[-1]) == (State.CLOSED, "passed")


def test_one_object_serves_many_tasks(breaker: CircuitBreaker) -> None:
    """However their entries and exits interleave, each ends its own."""

    async def task(number: int) -> None:
        async with breaker:
            await asyncio.sleep(0)
            if number % 2:
                raise Down

    async def main() -> list[object]:
        return await asyncio.gather(*map(task, range(10)), return_exceptions=True)

    results = asyncio.run(main())
    totals = breaker.snapshot().totals
    assert [type(each) for each in results] == [type(None), Down] * 5
    assert (totals["successes"], totals["failures"]) == (5, 5)


def test_a_guard_is_used_once(breaker: CircuitBreaker) -> None:
    """Two entries would share one end."""
    guard = breaker.guard()
    with guard:
        pass
    with pytest.raises(RuntimeError, match="take a fresh one for each block"), guard:
        pass


def test_guards_of_one_thread_may_end_in_any_order(due: CircuitBreaker) -> None:
    """Each holds its own entry."""
    first, second = due.guard(), due.guard()
    first.__enter__()
    second.__enter__()  # inside the trial: passes through
    first.__exit__(None, None, None)
    second.__exit__(Down, Down(), None)
    assert due.state is State.CLOSED


# -- acts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "until"),
    [(None, None), (30, 30.0), (0.5, 0.5), (timedelta(minutes=30), 1800.0)],
)
def test_an_override_may_have_an_end(
    breaker: CircuitBreaker, clock: FakeClock, length: Any, until: float | None
) -> None:
    """Rule 7: in seconds or as a timedelta."""
    breaker.force_closed(for_=length, by="al", reason="why")
    override = breaker.snapshot().override
    assert override is not None
    assert (override.kind, override.by, override.reason) == (
        OverrideKind.FORCED_CLOSED,
        "al",
        "why",
    )
    assert override.until == (None if until is None else clock.now() + until)


@pytest.mark.parametrize(
    "length",
    [0, -1, float("nan"), float("inf"), 1e300, timedelta(0), timedelta.max, True, "30", b"", []],
)
def test_a_wrong_end_of_an_override_is_refused(breaker: CircuitBreaker, length: Any) -> None:
    """Word for word, and nothing is stored."""
    for act in (breaker.force_open, breaker.force_closed):
        with pytest.raises(ConfigurationError) as caught:
            act(for_=length)
        assert str(caught.value) == (
            f"for_ must be more than 0 seconds, as a number or a timedelta, or None; got {length!r}"
        )
    assert breaker.snapshot().override is None


def test_reset_closes_an_open_breaker(opened: CircuitBreaker) -> None:
    """Rule 7: PITFALLS 32."""
    opened.reset(by="al", reason="fixed")
    assert opened.state is State.CLOSED
    assert opened.call(int) == 0


def test_try_now_lets_the_next_call_be_a_trial(opened: CircuitBreaker) -> None:
    """Rule 7."""
    opened.try_now()
    assert opened.state is State.OPEN
    assert opened.call(int) == 0
    assert opened.state is State.CLOSED


def test_clearing_an_override_lets_the_machine_go_on(opened: CircuitBreaker) -> None:
    """Rule 7: it is still open beneath."""
    opened.force_closed()
    assert opened.call(int) == 0
    opened.clear_override()
    with pytest.raises(CircuitOpenError):
        opened.call(int)


def test_looking_changes_nothing(due: CircuitBreaker) -> None:
    """Rule 4: PITFALLS 11; the open time is over, and only a call makes it half-open."""
    before = due.snapshot()
    for _ in range(3):
        assert due.state is State.OPEN
    assert due.snapshot() == before


# -- counting under threads ----------------------------------------------------------------------


def test_eight_threads_lose_no_count(clock: FakeClock) -> None:
    """Successes by the fast path, failures and ignored calls by the machine."""
    config = BreakerConfig(failure_threshold=10**6, ignore=KeyError)
    breaker = CircuitBreaker("x", config, clock=clock)
    good, bad = breaker(int), breaker(fail)
    start = threading.Barrier(8)

    def ignored() -> None:
        raise KeyError

    def work() -> None:
        start.wait()
        for _ in range(500):
            good()
            with pytest.raises(Down):
                bad()
            with pytest.raises(KeyError):
                breaker.call(ignored)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    totals = breaker.snapshot().totals
    assert (totals["successes"], totals["failures"], totals["ignored"]) == (4000, 4000, 4000)
    assert totals["calls"] == 12000


def test_no_failure_of_a_streak_is_lost_between_threads(clock: FakeClock) -> None:
    """Exactly one transition at exactly the threshold: PITFALLS 12."""
    breaker = CircuitBreaker("x", BreakerConfig(failure_threshold=400), clock=clock)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(50):
            with pytest.raises(Down):
                breaker.call(fail)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    [transition] = breaker.snapshot().transitions
    assert (transition.count, transition.after) == (400, State.OPEN)


def test_shadow_mode_rejects_nothing_and_counts_what_it_would_have(clock: FakeClock) -> None:
    """Rule 8: and what it would have rejected decides nothing."""
    config = BreakerConfig(failure_threshold=1, open_timeout=10, shadow=True)
    breaker = CircuitBreaker("x", config, clock=clock)
    for _ in range(3):
        with pytest.raises(Down):
            breaker.call(fail)
    snapshot = breaker.snapshot()
    assert (snapshot.state, len(snapshot.transitions)) == (State.OPEN, 1)
    assert (snapshot.totals["would_have_rejected"], snapshot.totals["rejections"]) == (2, 0)


# -- blocks have no result ------------------------------------------------------------------------


def test_a_block_is_not_judged_by_failure_if(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 1: a result for which it is true fails, and a block has none."""
    config = BreakerConfig(failure_threshold=1, failure_if=lambda r: r.status_code >= 500)
    breaker = CircuitBreaker("x", config, clock=clock)
    with breaker:
        pass
    with breaker.guard():
        pass

    async def main() -> None:
        async with breaker:
            pass

    asyncio.run(main())
    assert breaker.snapshot().totals["successes"] == 3
    assert breaker.state is State.CLOSED
    assert caplog.records == []
