"""Decorators: what they wrap, what they refuse, what they add to a traceback."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from breaker_core import BreakerConfig, CircuitBreaker, CircuitOpenError, ConfigurationError, State
from breaker_core.guard import is_async
from breaker_core.local import LocalMachine
from breaker_core.stores import CacheStore, SeenText, Stored
from breaker_core.testing import FakeClock
from tests.core.forking import needs_fork
from tests.servers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from breaker_core.machine import Pass, Terms

CONFIG = BreakerConfig(failure_threshold=2, open_timeout=10)


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker("payments", CONFIG, clock=clock)


class Service:
    """Every kind of thing that one may want to guard."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def method(self, value: int) -> NoReturn:
        self.calls.append(value)
        raise Down

    async def async_method(self, value: int) -> NoReturn:
        self.calls.append(value)
        raise Down


class PlainCallable:
    def __call__(self, value: int) -> NoReturn:
        raise Down


class AsyncCallable:
    async def __call__(self, value: int) -> NoReturn:
        raise Down


class GeneratorCallable:
    def __call__(self) -> Any:
        yield 1


def function(value: int) -> NoReturn:
    raise Down


async def async_function(value: int) -> NoReturn:
    raise Down


KINDS = {
    "function": function,
    "lambda": function,
    "bound method": Service().method,
    "partial": functools.partial(function),
    "partial of a partial": functools.partial(functools.partial(function)),
    "object with __call__": PlainCallable(),
    "async function": async_function,
    "async bound method": Service().async_method,
    "partial of async": functools.partial(async_function),
    "async __call__": AsyncCallable(),
    "partial of async __call__": functools.partial(AsyncCallable()),
}


def run(fn: Any, *args: Any) -> Any:
    result = fn(*args)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_can_be_called_can_be_guarded(breaker: CircuitBreaker, kind: str) -> None:
    """Its failures count when they happen, also an awaited one's: PITFALLS 25."""
    guarded = breaker(KINDS[kind])
    for _ in range(2):
        with pytest.raises(Down):
            run(guarded, 1)
    with pytest.raises(CircuitOpenError):
        run(guarded, 1)
    assert is_async(guarded) == ("async" in kind)


def test_a_decorated_method_knows_its_object(breaker: CircuitBreaker) -> None:
    """It is bound like any other."""

    class Client(Service):
        method = breaker(Service.method)
        async_method = breaker(Service.async_method)

    client = Client()
    for call in (client.method, client.async_method):
        with pytest.raises(Down):
            run(call, 5)
    assert client.calls == [5, 5]


def test_a_decorated_function_keeps_its_name_signature_and_text(breaker: CircuitBreaker) -> None:
    """And its own attributes."""

    def price(article: str, *, currency: str = "EUR") -> int:
        """What it costs."""
        return 7

    price.note = "kept"  # type: ignore[attr-defined]
    guarded = breaker(price)
    assert (guarded.__name__, guarded.__doc__, guarded.__module__) == (
        "price",
        "What it costs.",
        __name__,
    )
    assert inspect.signature(guarded) == inspect.signature(price)
    assert guarded.note == "kept"  # type: ignore[attr-defined]
    assert guarded.__wrapped__ is price  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_decorated_function_is_async_if_it_was(breaker: CircuitBreaker, kind: str) -> None:
    """Frameworks ask."""
    guarded = breaker(KINDS[kind])
    assert inspect.iscoroutinefunction(guarded) == ("async" in kind)


# -- refused -----------------------------------------------------------------------------------


def generator() -> Any:
    yield 1


async def async_generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    "fn",
    [
        generator,
        async_generator,
        functools.partial(generator),
        functools.partial(async_generator),
        GeneratorCallable(),
        functools.partial(GeneratorCallable()),
    ],
)
def test_generators_are_refused(breaker: CircuitBreaker, fn: Any) -> None:
    """They fail after the call has returned: PITFALLS 28."""
    with pytest.raises(ConfigurationError) as caught:
        breaker(fn)
    assert str(caught.value) == (
        f"a breaker cannot decorate the generator function {fn!r}: its work begins after the "
        "call has returned. Use 'with breaker:' inside it, around the part that can fail"
    )


@pytest.mark.parametrize("kind", [classmethod, staticmethod, property])
def test_descriptors_are_refused(breaker: CircuitBreaker, kind: Any) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError) as caught:
        breaker(kind(function))
    assert str(caught.value) == (
        f"a breaker cannot decorate a {kind.__name__} object; put @{kind.__name__} above the "
        "breaker, so that it wraps the function itself"
    )


@pytest.mark.parametrize("thing", [None, "payments", 3])
def test_what_cannot_be_called_is_refused(breaker: CircuitBreaker, thing: Any) -> None:
    """None is what breaker() without options would be given by mistake."""
    if thing is None:
        return
    with pytest.raises(ConfigurationError, match=r"^a breaker decorates a function; got "):
        breaker(thing)


# -- options for one use ---------------------------------------------------------------------------


def test_options_of_one_use_hold_for_it_alone(breaker: CircuitBreaker) -> None:
    """State and counts are the breaker's."""
    lenient = breaker(ignore=Down)(function)
    with pytest.raises(Down):
        lenient(1)
    assert breaker.snapshot().consecutive_failures == 0
    with pytest.raises(Down):
        breaker(function)(1)
    assert breaker.snapshot().consecutive_failures == 1


def test_failure_if_of_one_use_judges_its_results(breaker: CircuitBreaker) -> None:
    """Also on the path that the gate would have taken."""
    guarded = breaker(failure_if=lambda result: result == "bad")(lambda: "bad")
    assert [guarded(), guarded()] == ["bad", "bad"]
    assert breaker.state is State.OPEN


@pytest.mark.parametrize("make", [False, True])
def test_a_fallback_of_one_use_answers(breaker: CircuitBreaker, make: bool) -> None:
    """Sync and async."""
    breaker.force_open()
    fn = async_function if make else function
    guarded = breaker(fallback=lambda error, value: (error.name, value))(fn)
    assert run(guarded, 5) == ("payments", 5)


def test_an_async_fallback_of_one_use_is_awaited(breaker: CircuitBreaker) -> None:
    """Its answer, not its coroutine."""

    async def answer(error: CircuitOpenError, value: int) -> int:
        return value * 2

    breaker.force_open()
    assert run(breaker(fallback=answer)(async_function), 5) == 10


def test_an_option_that_no_use_can_have_is_refused(breaker: CircuitBreaker) -> None:
    """Thresholds belong to the breaker."""
    with pytest.raises(ConfigurationError) as caught:
        breaker(failure_threshold=3)
    assert str(caught.value) == (
        "breaker('payments', …): 'failure_threshold' is the same for every use, so it belongs to "
        "the options of the breaker itself; for one use there are fallback, failure_if, "
        "failure_on, ignore"
    )


def test_a_wrong_value_for_one_use_names_the_use(breaker: CircuitBreaker) -> None:
    """And what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        breaker(fallback=3)
    assert str(caught.value) == (
        "breaker('payments', …): fallback must be a callable, its dotted path, or None; got 3"
    )


# -- tracebacks ----------------------------------------------------------------------------------


def test_a_breaker_adds_one_frame_to_a_traceback(breaker: CircuitBreaker) -> None:
    """Sync and async, on the fast path: caller, wrapper, function."""
    with pytest.raises(Down) as caught:
        breaker(function)(1)
    frames = [each.name for each in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[1:] == ["breaker_wrapper", "function"]


def test_a_breaker_adds_one_frame_to_a_traceback_of_async_code(breaker: CircuitBreaker) -> None:
    """Awaited."""

    async def main() -> list[str]:
        try:
            await breaker(async_function)(1)
        except Down as error:
            return [each.name for each in traceback.extract_tb(error.__traceback__)]

    assert asyncio.run(main()) == ["main", "breaker_wrapper", "async_function"]


# -- interrupted ---------------------------------------------------------------------------------


class SlowToAdmit(LocalMachine):
    """A machine that has to wait for its store before it lets a call in."""

    def prepare(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def try_admit(self, terms: Terms) -> Pass | None:
        return None

    def admit(self, terms: Terms) -> Pass:
        self.asked.set()
        assert self.go.wait(5)
        held = super().try_admit(terms)
        assert held is not None
        return held

    __slots__ = ("asked", "go")


def until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_call_cancelled_while_it_waits_to_be_let_in_gives_its_permit_back(
    clock: FakeClock,
) -> None:
    """G6: the permit arrives when nobody wants it any more."""
    breaker = CircuitBreaker("x", CONFIG, clock=clock)
    machine = SlowToAdmit("x", CONFIG, clock)
    machine.prepare()
    breaker._machine = breaker._use.machine = machine
    machine.go.set()
    opener = breaker(failure_on=Down)(function)
    for _ in range(2):
        with pytest.raises(Down):
            opener(1)
    clock.advance(10)
    machine.go.clear()
    machine.asked.clear()

    async def main() -> None:
        task = asyncio.create_task(breaker.call_async(asyncio.sleep, 0))  # type: ignore[arg-type]
        await asyncio.to_thread(machine.asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        machine.go.set()
        await asyncio.to_thread(until, lambda: machine.record.state is State.HALF_OPEN)
        await asyncio.to_thread(until, lambda: not machine.record.trials)

    asyncio.run(main())
    assert machine.record.trials == ()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_of_the_dependency_is_no_failure_of_a_decorated_call(
    breaker: CircuitBreaker, kind: type[BaseException]
) -> None:
    """Rule 1, on the fast path: nor a success, so a streak stays."""
    with pytest.raises(Down):
        breaker(function)(1)

    @breaker
    def interrupted() -> None:
        raise kind

    with pytest.raises(kind):
        interrupted()
    assert breaker.snapshot().consecutive_failures == 1


def test_a_success_of_a_decorated_call_clears_the_streak(breaker: CircuitBreaker) -> None:
    """Rule 3, on the fast path."""
    with pytest.raises(Down):
        breaker(function)(1)
    breaker(int)()
    assert breaker.snapshot().consecutive_failures == 0


def test_an_unlisted_exception_of_a_decorated_call_clears_the_streak(
    breaker: CircuitBreaker,
) -> None:
    """Rule 1: the dependency answered."""
    with pytest.raises(Down):
        breaker(function)(1)

    @breaker(failure_on=OSError)
    def answered() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        answered()
    assert breaker.snapshot().consecutive_failures == 0


class AwkwardMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError("no")


class Awkward(Exception, metaclass=AwkwardMeta):  # noqa: N818
    """Cannot even be asked whether something is one."""


@pytest.mark.parametrize("decorated", [True, False])
def test_an_error_that_cannot_be_judged_is_ignored_and_the_caller_gets_it(
    clock: FakeClock, decorated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Our trouble is not the caller's; a trial's permit goes back: PITFALLS 7."""
    breaker = CircuitBreaker("x", BreakerConfig(ignore=Awkward), clock=clock)
    with pytest.raises(Down):
        breaker(function)(1) if decorated else breaker.call(function, 1)
    totals = breaker.snapshot().totals
    assert totals["failures"] == 0
    assert caplog.records


def test_a_trial_that_was_entered_and_dropped_lets_no_later_call_of_its_thread_pass(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    """Rules 1 and 6: nothing runs any more, so nothing is inside it; its permit is lost."""
    for _ in range(2):
        with pytest.raises(Down):
            breaker.call(function, 1)
    clock.advance(10)
    breaker.guard().__enter__()
    with pytest.raises(CircuitOpenError):
        breaker.call(int)
    clock.advance(60)
    assert breaker.call(int) == 0
    assert breaker.state is State.CLOSED


def test_a_class_is_refused_because_it_would_be_a_class_no_more(breaker: CircuitBreaker) -> None:
    """A decorator above a class statement."""
    with pytest.raises(ConfigurationError) as caught:

        @breaker
        class Client:
            pass

    assert str(caught.value) == (
        "a breaker cannot decorate the class "
        "test_a_class_is_refused_because_it_would_be_a_class_no_more.<locals>.Client: decorate the "
        "methods that can fail. (Django: @method_decorator(protect_view('name'), "
        "name='dispatch'); Flask: decorators = [breakers.protect_view('name')] in the class)"
    )


# -- permits that could be lost --------------------------------------------------------------------


class Stop(SystemExit):
    pass


def stop(value: object) -> bool:
    raise Stop


def in_half_open(clock: FakeClock, **options: Any) -> CircuitBreaker:
    """A breaker whose next call is a trial."""
    breaker = CircuitBreaker("x", BreakerConfig(failure_threshold=1, **options), clock=clock)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    clock.advance(60)
    return breaker


def test_a_predicate_that_ends_the_process_gives_the_permit_back(clock: FakeClock) -> None:
    """Rule 6, and pitfall 35."""
    breaker = in_half_open(clock, failure_if=stop)
    with pytest.raises(Stop):
        breaker.call(int)
    assert breaker.snapshot().trials == 0


def test_a_listener_that_ends_the_process_gives_the_permit_back(clock: FakeClock) -> None:
    """Rule 6."""
    breaker = in_half_open(clock)
    breaker.listen(stop)
    with pytest.raises(Stop):
        breaker.call(int)
    assert breaker.snapshot().trials == 0


def test_an_error_whose_class_cannot_be_named_gives_the_permit_back(clock: FakeClock) -> None:
    """Rule 6: and the caller gets its own error."""

    class Nameless(type):
        def __getattribute__(cls, name: str) -> Any:
            if name == "__qualname__":
                raise RuntimeError
            return super().__getattribute__(name)

    class OddError(Exception, metaclass=Nameless):
        pass

    def odd() -> None:
        raise OddError

    breaker = in_half_open(clock)
    with pytest.raises(OddError):
        breaker.call(odd)
    assert breaker.snapshot().trials == 0


def test_a_coroutine_that_is_closed_in_its_trial_gives_the_permit_back(tmp_path: Path) -> None:
    """Rule 6: nothing can be awaited any more, so the store is told in a thread."""
    store = CacheStore(f"sqlite:///{tmp_path}/x.db")
    clock = FakeClock()
    options = BreakerConfig(failure_threshold=1)
    breaker = CircuitBreaker("x", options, store=store, clock=clock)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    clock.advance(60)

    async def main() -> None:
        entered = asyncio.Event()

        async def hang() -> None:
            entered.set()
            await asyncio.Event().wait()

        trial = breaker.call_async(hang)
        step = trial.__await__()
        waiting = next(step)  # for the thread that asks the store
        while not entered.is_set():
            if waiting is not None:
                await asyncio.wait([waiting])
            waiting = step.send(None)
        step.close()

    asyncio.run(main())
    wait_until(lambda: breaker.snapshot(fresh=True).trials == 0, "the permit is back")
    store.close()


@needs_fork
def test_a_child_of_a_fork_is_not_part_of_its_parents_trial(clock: FakeClock) -> None:
    """Rule 1: calls inside a trial pass; the child's are not inside."""
    breaker = in_half_open(clock, trial_timeout=600)
    with breaker.guard():
        assert breaker.call(int) == 0, "in the trial's own process it is part of it"
        child = os.fork()
        if child == 0:
            os._exit(0 if _is_rejected(breaker) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _is_rejected(breaker: CircuitBreaker) -> bool:
    try:
        breaker.call(int)
    except CircuitOpenError:
        return True
    return False


def test_an_async_call_that_is_cancelled_while_its_failure_is_stored_is_told_all_the_same(
    tmp_path: Path,
) -> None:
    """G1: the transition was made, so somebody must hear of it."""
    slow = threading.Event()

    class Slow(CacheStore):
        def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
            slow.set()
            return super().replace(key, seen, text, seconds=seconds)

    store = Slow(f"sqlite:///{tmp_path}/x.db")
    options = BreakerConfig(failure_threshold=1)
    breaker = CircuitBreaker("x", options, store=store, clock=FakeClock())
    breaker.call(int)
    slow.clear()
    heard: list[object] = []
    breaker.listen(heard.append)

    async def fail() -> None:
        raise OSError

    async def main() -> None:
        task = asyncio.ensure_future(breaker.call_async(fail))
        while not slow.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    wait_until(lambda: heard, "the transition is told")
    store.close()
