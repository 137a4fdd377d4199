"""Guarding one call: ask the machine, run the call, tell the machine how it ended.

``Use`` is a breaker on the terms of one place where it is used; ``Call`` is one call under way.
The wrappers repeat a few lines instead of delegating: each frame saved is a frame less in every
traceback and most of the cost of the closed path (see benchmarks/README.md).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

from breaker_core import threads
from breaker_core.decide import Ended, Failed, Ignored, Succeeded
from breaker_core.errors import CircuitOpenError, ConfigurationError
from breaker_core.machine import Machine, Pass, here
from breaker_core.outcomes import Outcome, Verdict

if TYPE_CHECKING:
    from breaker_core.config import BreakerConfig
    from breaker_core.home import Home

logger = logging.getLogger("breaker")

_trials: ContextVar[tuple[ref[Call], ...]] = ContextVar("breaker_trials", default=())
"""The trials that the running code is part of; what it starts inherits them.

They are not held: a block that was entered and dropped must not let calls pass for ever.
"""


class Source(Protocol):
    """Where a wrapper finds its use: at once, or looked up when called."""

    @property
    def use(self) -> Use:
        """The use to try the fast path on."""
        ...

    def begin(self) -> Call:
        """Let a call in; may block. Raises CircuitOpenError."""
        ...

    async def begin_async(self) -> Call:
        """Let a call in without blocking the loop. Raises CircuitOpenError."""
        ...

    def resolve(self) -> Use:
        """Return the use that counts now."""
        ...


class Use:
    """A breaker on the terms of one place that uses it."""

    __slots__ = (
        *("clock", "fallback", "home", "judge", "machine", "rescues", "slow_after"),
        *("terms", "timed", "use", "verdict"),
    )

    def __init__(self, home: Home, machine: Machine, config: BreakerConfig) -> None:
        self.use = self
        self.home = home
        self.machine = machine
        self.terms = home.terms(config)
        self.verdict = Verdict(config, home.conventions)
        self.judge = self.verdict.judge()
        """Whether a result is a failure; None where no result is."""
        self.clock = home.clock.monotonic
        self.slow_after: float | None = config.slow_call_duration  # type: ignore[assignment]
        self.timed = self.slow_after is not None or (
            config.judges_rates and config.window_calls is None
        )
        """Whether the clock must be looked at when a call ends well."""
        self.fallback: Callable[..., Any] | None = config.fallback
        self.rescues = config.fallback_on_failure

    def refusal(self) -> tuple[Any, ...] | None:
        """Return what CircuitOpenError says now; None when only ``begin`` can tell."""
        wall = self.machine.wall
        if wall is None or self.fallback is not None or _trials.get():
            return None
        left = wall.until - wall.now()
        if left <= 0:
            return None
        self.machine.tally.rejections += 1
        return wall.name, wall.state, left, wall.reason, wall.text

    def resolve(self) -> Use:
        """Return this use itself: it is its own source."""
        return self

    def take_fallback(self) -> Callable[..., Any] | None:
        """Return what answers for a rejected call, counted as used; None when nothing does."""
        if self.fallback is not None:
            self.machine.tally.fallbacks += 1
        return self.fallback

    def begin(self) -> Call:
        """Let a call in; may block. Raises CircuitOpenError."""
        if self.home.forgotten:
            self.home.take_back()
        if inside_trial(self.machine):
            return Call(self, None)
        held = None
        try:
            held = self.machine.try_admit(self.terms)
            if held is None:
                held = self.machine.admit(self.terms)
        except CircuitOpenError:
            self.machine.tally.rejections += 1
            raise
        except Exception:
            self.home.complain("a breaker could not decide on a call, which passes uncounted")
        finally:
            self._tell_before(held)
        return Call(self, held)

    def begin_block(self) -> Call | Entry:
        """Let a block in; may block. Raises CircuitOpenError."""
        return self._enter_by_gate() or self.begin()

    async def begin_block_async(self) -> Call | Entry:
        """Let a block in; waits for the store in a thread. Raises CircuitOpenError."""
        return self._enter_by_gate() or await self.begin_async()

    def _enter_by_gate(self) -> Entry | None:
        held = self.machine.gate
        if held is not None:
            return Entry(self, held)
        refused = self.refusal()
        if refused is not None:
            raise CircuitOpenError(*refused)
        return None

    async def begin_async(self) -> Call:
        """Let a call in; waits for the store in a thread. Raises CircuitOpenError."""
        if self.home.forgotten:
            await threads.run(self.home.take_back)
        if inside_trial(self.machine):
            return Call(self, None)
        held = None
        try:
            held = self.machine.try_admit(self.terms)
            if held is None:
                held = await threads.run(
                    lambda: self.machine.admit(self.terms), unwanted=self._give_back
                )
        except CircuitOpenError:
            self.machine.tally.rejections += 1
            raise
        except Exception:
            self.home.complain("a breaker could not decide on a call, which passes uncounted")
        finally:
            self._tell_before(held)
        return Call(self, held)

    def _tell_before(self, held: Pass | None) -> None:
        """Tell the listeners before a call begins that *held* lets in.

        What may interrupt them, such as SystemExit, also ends the call before it began.
        """
        try:
            self.home.tell(self.machine)
        except BaseException:
            if held is not None:
                self._give_back(held)
            raise

    def _give_back(self, held: Pass) -> None:
        """Take back the permit of a call that does not come about, or that nobody can judge."""
        if held.is_trial:
            held.ended = True
            self._send(held, Ignored(epoch=held.epoch, permit=held.permit))

    def _send(self, held: Pass, event: Ended) -> None:
        if self.machine.note(held, event, self.terms):
            self.machine.flush()
        self.home.tell(self.machine)

    def send_noted(self) -> None:
        """Send what was noted and tell what came of it; may block, never raises."""
        self.machine.flush()
        self.home.tell(self.machine)

    def fail(self, held: Pass, error: BaseException, began: float = 0.0) -> Outcome:
        """Take down that a call admitted by the gate raised *error*; memory only, never raises."""
        try:
            text = self.verdict.plain_failures.get(type(error)) or self.verdict.learn(error)
            if text and not _trials.get() and self.machine.fail(held, text, self.terms):
                self.machine.tally.failures += 1
                return Outcome.FAILURE
            return self.end(held, self.verdict.of_error(error), error, began, is_error=True)
        except Exception:
            self.home.complain("a breaker could not take down the end of a call")
            return Outcome.IGNORED

    def fail_result(self, held: Pass, result: object, began: float) -> None:
        """Take down that a call admitted by the gate returned a failure; never raises."""
        try:
            self.end(held, Outcome.FAILURE, result, began, is_error=False)
        except Exception:
            self.home.complain("a breaker could not take down the end of a call")

    def end_timed(self, held: Pass, began: float) -> None:
        """Take down that a call ended well where its time, or the window's, matters."""
        now = self.clock()
        if self.slow_after is not None and now - began > self.slow_after:  # [9]
            self.end(held, Outcome.SUCCESS, None, began, is_error=False)
            return
        window = held.window
        if window is not None and now >= window.rolls_at:
            self.machine.roll(held, now)
        held.clean = True
        next(held.tick)

    def end(
        self, held: Pass, outcome: Outcome, value: object, began: float, *, is_error: bool
    ) -> Outcome:
        """Take down the end of a call that the gate admitted."""
        event = self.ended(held, outcome, value, began, is_error=is_error)
        if event is not None:
            self._send(held, event)
        return outcome

    def ended(
        self,
        held: Pass | None,
        outcome: Outcome,
        value: object,
        began: float,
        *,
        is_error: bool,
    ) -> Ended | None:
        """Count the end of a call; return what the machine must hear of it, if anything."""
        tally = self.machine.tally
        if outcome is Outcome.SUCCESS:
            next(tally.successes)
        elif outcome is Outcome.FAILURE:
            tally.failures += 1
        else:
            tally.ignored += 1
        if held is None or not held.counted:
            return None
        held.ended = True
        if not held.is_trial and outcome is Outcome.FAILURE and inside_trial(self.machine):
            return None
        return self._event(held, outcome, value, began, is_error=is_error)

    def _event(
        self, held: Pass, outcome: Outcome, value: object, began: float, *, is_error: bool
    ) -> Ended:
        where = _HERE if os.getpid() == _HERE["process"] else here()
        slow = self.slow_after is not None and self.clock() - began > self.slow_after
        facts = {"epoch": held.epoch, "permit": held.permit, "slow": slow, **where}
        if outcome is Outcome.FAILURE:
            text = self.verdict.text_of_error if is_error else self.verdict.text_of_result
            return Failed(
                error=text(value),  # type: ignore[arg-type]
                draw=random.random(),
                retry_after=self.verdict.seconds_asked(value),
                **facts,  # type: ignore[arg-type]
            )
        kind = Succeeded if outcome is Outcome.SUCCESS else Ignored
        return kind(draw=random.random(), **facts)  # type: ignore[arg-type]


_HERE = here()


class Entry:
    """A block that the gate let in: in memory, so nothing of it waits. None of this raises."""

    __slots__ = ("_began", "_held", "_use")

    def __init__(self, use: Use, held: Pass) -> None:
        self._use = use
        self._held = held
        self._began = 0.0 if use.slow_after is None else use.clock()

    def fail(self, error: BaseException) -> Outcome:
        """The block raised *error*."""
        return self._use.fail(self._held, error, self._began)

    async def fail_async(self, error: BaseException) -> Outcome:
        """The block raised *error*."""
        return self._use.fail(self._held, error, self._began)

    def end_block(self) -> None:
        """The block ended well."""
        if self._use.timed:
            self._use.end_timed(self._held, self._began)
        else:
            self._held.clean = True
            next(self._held.tick)

    async def end_block_async(self) -> None:
        """The block ended well."""
        self.end_block()


class Call:
    """One call under way that did not pass by the gate. None of its methods raises."""

    __slots__ = ("__weakref__", "_began", "_held", "_use", "pid")

    def __init__(self, use: Use, held: Pass | None) -> None:
        self._use = use
        self._held = held
        self._began = 0.0 if use.slow_after is None else use.clock()
        self.pid = 0
        if held is None:
            return
        if not held.counted:
            use.machine.tally.waved += 1
        elif held.is_trial:
            self.pid = os.getpid()
            running = tuple(each for each in _trials.get() if _under_way(each) is not None)
            _trials.set((*running, ref(self)))

    @property
    def use(self) -> Use:
        return self._use

    @property
    def ended(self) -> bool:
        """Whether the end of the call was taken down."""
        return self._held is None or self._held.ended

    def fail(self, error: BaseException) -> Outcome:
        """The call raised *error*."""
        return self._end(self._judge_error(error), error, is_error=True)

    async def fail_async(self, error: BaseException) -> Outcome:
        """The call raised *error*; waits for the store in a thread."""
        return await self._end_async(self._judge_error(error), error, is_error=True)

    def succeed(self, result: object) -> Outcome:
        """The call returned *result*, which may be a failure all the same."""
        return self._end(self._judge_result(result), result, is_error=False)

    async def succeed_async(self, result: object) -> Outcome:
        """The call returned *result*; waits for the store in a thread."""
        return await self._end_async(self._judge_result(result), result, is_error=False)

    def end_block(self) -> Outcome:
        """The guarded block ended well. It has no result that a predicate could judge."""
        return self._end(Outcome.SUCCESS, None, is_error=False)

    async def end_block_async(self) -> Outcome:
        """The guarded block ended well; waits for the store in a thread."""
        return await self._end_async(Outcome.SUCCESS, None, is_error=False)

    def abandon(self) -> Outcome:
        """Nobody knows how the call ended: it counts neither way."""
        return self._end(Outcome.IGNORED, None, is_error=False)

    def forget(self) -> None:
        """Nobody will say how the call ended; how long that took to notice is no evidence."""
        self._began = self._use.clock()
        self.abandon()

    async def abandon_async(self) -> Outcome:
        """Nobody knows how the call ended; waits for the store in a thread."""
        return await self._end_async(Outcome.IGNORED, None, is_error=False)

    def stand_alone(self) -> None:
        """Let what runs beside the call be no part of it: it may end anywhere."""
        _trials.set(tuple(each for each in _trials.get() if each() is not self))

    def _judge_error(self, error: BaseException) -> Outcome:
        try:
            return self._use.verdict.of_error(error)
        except Exception:
            self._use.home.complain("a breaker could not judge an error and ignores it")
            return Outcome.IGNORED

    def _judge_result(self, result: object) -> Outcome:
        try:
            return self._use.verdict.of_result(result)
        except BaseException:  # such as SystemExit: the predicate's errors were caught before
            self._abandon()
            raise

    def _end(self, outcome: Outcome, value: object, *, is_error: bool) -> Outcome:
        use, held = self._use, self._held
        try:
            event = use.ended(held, outcome, value, self._began, is_error=is_error)
            if event is not None and held is not None:
                use._send(held, event)
        except Exception:
            use.home.complain("a breaker could not take down the end of a call")
            self._abandon()
        return outcome

    async def _end_async(self, outcome: Outcome, value: object, *, is_error: bool) -> Outcome:
        use, held = self._use, self._held
        try:
            event = use.ended(held, outcome, value, self._began, is_error=is_error)
            if event is not None and held is not None:
                if use.machine.note(held, event, use.terms):
                    if isinstance(value, GeneratorExit):  # the coroutine is closed: no more awaits
                        threads.start(use.send_noted)
                    else:
                        await threads.run(use.send_noted)
                use.home.tell(use.machine)
        except Exception:
            use.home.complain("a breaker could not take down the end of a call")
            self._abandon()
        return outcome

    def _abandon(self) -> None:
        """Give a permit back whose call ended in a way that cannot be told; never raises."""
        if self._held is not None:
            with suppress(Exception):
                self._use._give_back(self._held)


def inside_trial(machine: Machine) -> bool:
    """Whether the running code is part of a trial of *machine* that is still under way."""
    trials = _trials.get()
    if not trials:
        return False
    calls = map(_under_way, trials)
    return any(call is not None and call.use.machine is machine for call in calls)


def _under_way(trial: ref[Call]) -> Call | None:
    call = trial()
    if call is None or call.ended:
        return None
    return call if call.pid == os.getpid() else None  # a fork took the context along, not the call


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling *fn* gives a coroutine; sees through partials and objects with __call__."""
    if inspect.iscoroutinefunction(fn) or _marked(fn):
        return True
    if isinstance(fn, functools.partial):
        return is_async(fn.func)
    if inspect.isroutine(fn) or inspect.isclass(fn):
        return False
    return inspect.iscoroutinefunction(getattr(type(fn), "__call__", None))  # noqa: B004


def _marked(fn: Callable[..., Any]) -> bool:
    """Whether *fn* was marked as a coroutine function the way Python 3.11 does."""
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    return mark is not None and getattr(fn, "_is_coroutine", None) is mark


def refuse_unguardable(fn: Any) -> None:
    """Raise ConfigurationError for what cannot be guarded by wrapping it."""
    if isinstance(fn, classmethod | staticmethod | property):
        kind = type(fn).__name__
        raise ConfigurationError(
            f"a breaker cannot decorate a {kind} object; put @{kind} above the breaker, "
            "so that it wraps the function itself"
        )
    if inspect.isclass(fn) and fn.__module__ != "builtins":
        raise ConfigurationError(
            f"a breaker cannot decorate the class {fn.__qualname__}: decorate the methods that can "
            "fail. (Django: @method_decorator(protect_view('name'), name='dispatch'); Flask: "
            "decorators = [breakers.protect_view('name')] in the class)"
        )
    if not callable(fn):
        raise ConfigurationError(f"a breaker decorates a function; got {fn!r}")
    inner = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    if _generates(inner) or _generates(getattr(type(inner), "__call__", None)):  # noqa: B004
        raise ConfigurationError(
            f"a breaker cannot decorate the generator function {fn!r}: its work begins after the "
            "call has returned. Use 'with breaker:' inside it, around the part that can fail"
        )


def _generates(fn: Any) -> bool:
    return inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)


def guarded(fn: Callable[..., Any], source: Source) -> Callable[..., Any]:
    """Return *fn* guarded by what *source* says at each call."""
    refuse_unguardable(fn)
    wrapper = _guarded_async(fn, source) if is_async(fn) else _guarded_sync(fn, source)
    return functools.update_wrapper(wrapper, fn)


def _guarded_sync(fn: Callable[..., Any], source: Source) -> Callable[..., Any]:
    def breaker_wrapper(*args: Any, **kwargs: Any) -> Any:
        use = source.use
        held = use.machine.gate
        if held is not None:
            began = 0.0 if use.slow_after is None else use.clock()
            try:
                result = fn(*args, **kwargs) if kwargs else fn(*args)
            except BaseException as error:
                if use.fail(held, error, began) is Outcome.FAILURE and use.rescues:
                    return rescued(use, error, args, kwargs)
                raise
            judge = use.judge
            if judge is not None and judge(result):
                use.fail_result(held, result, began)
            elif use.timed:
                use.end_timed(held, began)
            else:
                held.clean = True
                next(held.tick)
            return result
        refused = use.refusal()
        if refused is not None:
            raise CircuitOpenError(*refused)
        try:
            call = source.begin()
        except CircuitOpenError as rejected:
            fallback = source.resolve().take_fallback()
            if fallback is None:
                raise
            return fallback(rejected, *args, **kwargs)
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            if call.fail(error) is Outcome.FAILURE and call.use.rescues:
                return rescued(call.use, error, args, kwargs)
            raise
        call.succeed(result)
        return result

    return breaker_wrapper


def rescued(use: Use, error: BaseException, args: Any, kwargs: Any) -> Any:
    """Return what the fallback answers for a call that failed with *error*."""
    fallback = use.take_fallback()
    assert fallback is not None, "the configuration refuses fallback_on_failure without one"
    return fallback(error, *args, **kwargs)


async def rescued_async(use: Use, error: BaseException, args: Any, kwargs: Any) -> Any:
    """Return what the fallback answers, awaited if it must be."""
    answer = rescued(use, error, args, kwargs)
    return await answer if isinstance(answer, Awaitable) else answer


def _guarded_async(fn: Callable[..., Any], source: Source) -> Callable[..., Any]:
    async def breaker_wrapper(*args: Any, **kwargs: Any) -> Any:
        use = source.use
        held = use.machine.gate
        if held is not None:
            began = 0.0 if use.slow_after is None else use.clock()
            try:
                result = await (fn(*args, **kwargs) if kwargs else fn(*args))
            except BaseException as error:
                if use.fail(held, error, began) is Outcome.FAILURE and use.rescues:
                    return await rescued_async(use, error, args, kwargs)
                raise
            judge = use.judge
            if judge is not None and judge(result):
                use.fail_result(held, result, began)
            elif use.timed:
                use.end_timed(held, began)
            else:
                held.clean = True
                next(held.tick)
            return result
        refused = use.refusal()
        if refused is not None:
            raise CircuitOpenError(*refused)
        try:
            call = await source.begin_async()
        except CircuitOpenError as rejected:
            fallback = source.resolve().take_fallback()
            if fallback is None:
                raise
            answer = fallback(rejected, *args, **kwargs)
            return await answer if isinstance(answer, Awaitable) else answer
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            if await call.fail_async(error) is Outcome.FAILURE and call.use.rescues:
                return await rescued_async(call.use, error, args, kwargs)
            raise
        await call.succeed_async(result)
        return result

    return breaker_wrapper
