"""``attempt``: how a call went, as a value."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, NoReturn

import pytest

from breaker_core import (
    Attempt,
    BreakerConfig,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Failure,
    Rejected,
    State,
    Success,
)
from breaker_core.testing import FakeClock


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def answer(value: int, *, plus: int = 0) -> int:
    return value + plus


def fail() -> NoReturn:
    raise Down("no answer")


async def answer_async(value: int, *, plus: int = 0) -> int:
    return value + plus


async def fail_async() -> NoReturn:
    raise Down("no answer")


def made(**options: Any) -> CircuitBreaker:
    config = BreakerConfig(**{"failure_threshold": 1, "open_timeout": 10, **options})
    return CircuitBreaker("payments", config, clock=FakeClock())


@pytest.fixture
def breaker() -> CircuitBreaker:
    return made()


def words(attempt: Attempt[int]) -> str:
    """As a caller would write it."""
    match attempt:
        case Success(value):
            return f"success {value}"
        case Failure(error):
            return f"failure {error}"
        case Rejected(retry_after):
            return f"rejected for {retry_after}"


def attempt(breaker: CircuitBreaker, way: str, kind: str, *args: Any, **kwargs: Any) -> Any:
    """Attempt *kind* ("answer" or "fail") by one of both ways."""
    if way == "sync":
        return breaker.attempt({"answer": answer, "fail": fail}[kind], *args, **kwargs)
    fn: Any = {"answer": answer_async, "fail": fail_async}[kind]
    return asyncio.run(breaker.attempt_async(fn, *args, **kwargs))


both_ways = pytest.mark.parametrize("way", ["sync", "async"])


@both_ways
def test_an_attempt_says_what_the_function_returned(breaker: CircuitBreaker, way: str) -> None:
    """With the arguments handed on."""
    assert attempt(breaker, way, "answer", 5, plus=2) == Success(7)


@both_ways
def test_an_attempt_says_what_the_function_raised(breaker: CircuitBreaker, way: str) -> None:
    """The very exception, which counts."""
    result = attempt(breaker, way, "fail")
    assert isinstance(result, Failure)
    assert (type(result.error), str(result.error)) == (Down, "no answer")
    assert breaker.state is State.OPEN


@both_ways
def test_an_attempt_says_that_the_breaker_rejected(breaker: CircuitBreaker, way: str) -> None:
    """With what ``call`` would have raised; the rejection is counted."""
    attempt(breaker, way, "fail")
    result = attempt(breaker, way, "answer", 5)
    assert isinstance(result, Rejected)
    assert isinstance(result.error, CircuitOpenError)
    assert (result.retry_after, result.error.name, result.error.last_error) == (
        10,
        "payments",
        "Down",
    )
    assert breaker.snapshot().totals["rejections"] == 1


@both_ways
def test_a_success_of_an_attempt_is_counted(way: str) -> None:
    """It clears the streak."""
    breaker = made(failure_threshold=2)
    attempt(breaker, way, "fail")
    attempt(breaker, way, "answer", 1)
    assert breaker.snapshot().consecutive_failures == 0
    assert breaker.snapshot().totals["successes"] == 1


def test_the_three_answers_suit_a_match_statement(breaker: CircuitBreaker) -> None:
    """In the order that README shows."""
    found = [
        words(breaker.attempt(answer, 1)),
        words(breaker.attempt(fail)),
        words(breaker.attempt(fail)),
    ]
    assert found == ["success 1", "failure no answer", "rejected for 10.0"]


def test_forced_open_without_an_end_there_is_no_time_to_wait(breaker: CircuitBreaker) -> None:
    """None, not 0."""
    breaker.force_open()
    result = breaker.attempt(answer, 1)
    assert isinstance(result, Rejected)
    assert result.retry_after is None


@both_ways
def test_a_result_that_is_judged_a_failure_is_returned_all_the_same(way: str) -> None:
    """The function did return; what the breaker counts is another matter."""
    breaker = made(failure_if=lambda result: result == 5)
    assert attempt(breaker, way, "answer", 5) == Success(5)
    assert breaker.state is State.OPEN


@both_ways
def test_an_ignored_error_is_a_failure_of_the_attempt(way: str) -> None:
    """It was raised; that the breaker does not count it is another matter."""
    breaker = made(ignore=Down)
    assert isinstance(attempt(breaker, way, "fail"), Failure)
    assert breaker.snapshot().totals["ignored"] == 1


@both_ways
def test_an_attempt_uses_no_fallback(way: str) -> None:
    """It would hide what happened; nor is one counted as used."""
    breaker = made(fallback=lambda *args: 99)
    attempt(breaker, way, "fail")
    assert isinstance(attempt(breaker, way, "answer", 1), Rejected)
    assert breaker.snapshot().totals["fallbacks"] == 0


def test_a_rejection_by_another_breaker_inside_is_a_failure(breaker: CircuitBreaker) -> None:
    """Only this breaker's own is Rejected, for only then was nothing called."""
    inner = CircuitBreaker("inner")
    inner.force_open()
    result = breaker.attempt(inner.call, fail)
    assert isinstance(result, Failure)
    assert isinstance(result.error, CircuitOpenError)
    assert result.error.name == "inner"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_is_no_exception_is_raised_as_ever(
    breaker: CircuitBreaker, kind: type[BaseException]
) -> None:
    """It is for whoever runs the program, and ignored by the breaker."""

    def interrupted() -> NoReturn:
        raise kind

    with pytest.raises(kind):
        breaker.attempt(interrupted)
    assert breaker.snapshot().totals["ignored"] == 1


def test_a_cancelled_attempt_is_cancelled_and_gives_its_permit_back() -> None:
    """Rule 1; the next call may try."""
    clock = FakeClock()
    config = BreakerConfig(failure_threshold=1, open_timeout=10)
    breaker = CircuitBreaker("payments", config, clock=clock)
    breaker.attempt(fail)
    clock.advance(10)

    async def main() -> None:
        running = asyncio.Event()

        async def hang() -> None:
            running.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(breaker.attempt_async(hang))
        await running.wait()
        assert breaker.snapshot().trials == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert breaker.snapshot().trials == 0
    assert breaker.attempt(answer, 1) == Success(1)


def test_an_async_function_is_refused_with_the_right_name(breaker: CircuitBreaker) -> None:
    """PITFALLS 25: else its coroutine would be a success."""
    with pytest.raises(ConfigurationError) as caught:
        breaker.attempt(fail_async)
    assert str(caught.value) == (
        f"{fail_async!r} is asynchronous: use 'await breaker.attempt_async(…)'"
    )


def test_the_answers_cannot_be_changed(breaker: CircuitBreaker) -> None:
    """Frozen, and without a place for anything else."""
    result: Any = breaker.attempt(answer, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.value = 2
    assert not hasattr(result, "__dict__")
