"""The circuit breaker as its users hold it: call, decorate, enter, look, act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from breaker_core.attempt import Attempt, Failure, Rejected, Success
from breaker_core.blocks import Blocks, Guard
from breaker_core.config import (
    BreakerConfig,
    check_length,
    check_name,
    option_names,
    refuse_unknown,
)
from breaker_core.decide import Act, ClearOverride, Force, Reset, TryNow
from breaker_core.errors import CircuitOpenError, ConfigurationError, StaleActError
from breaker_core.guard import Use, guarded, is_async, rescued, rescued_async
from breaker_core.home import Home, Store
from breaker_core.machine import here
from breaker_core.outcomes import Outcome
from breaker_core.partitions import Partitions
from breaker_core.permit import Permit
from breaker_core.record import OverrideKind, State
from breaker_core.snapshot import Snapshot, snapshot_of

if TYPE_CHECKING:
    from datetime import timedelta

    from breaker_core.clock import Clock
    from breaker_core.events import Listener
    from breaker_core.guard import Source
    from breaker_core.machine import Machine

P = ParamSpec("P")
T = TypeVar("T")

Exceptions = type[BaseException] | str | Collection[type[BaseException] | str]
"""Exception classes, or dotted paths of them."""

PER_USE = ("fallback", "failure_if", "failure_on", "ignore")
"""Options that may differ from one use of a breaker to the next."""


class CircuitBreaker(Blocks):
    """Stops calling a dependency that keeps failing.

    *store* left out keeps the state in this object's own memory; *clock* is for tests.
    """

    def __init__(
        self,
        name: str,
        config: BreakerConfig | None = None,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settle(Home(store, clock), check_name(name, place="name"), config)

    @classmethod
    def _at(cls, home: Home, name: str, config: BreakerConfig) -> CircuitBreaker:
        """Return a breaker that shares *home* with others; *name* was checked."""
        breaker = cls.__new__(cls)
        breaker._settle(home, name, config)
        return breaker

    def _partition(self, name: str, key: str) -> CircuitBreaker:
        """Return the partition for *key*, called *name*, with this breaker's configuration."""
        breaker = CircuitBreaker.__new__(CircuitBreaker)
        breaker._live_by(self._home.partition(name, self._config), self._home, name, self._config)
        breaker._parent, breaker._key = self._name, key
        return breaker

    def _settle(self, home: Home, name: str, config: BreakerConfig | None) -> None:
        if config is not None and not isinstance(config, BreakerConfig):
            raise ConfigurationError(
                f"config must be a BreakerConfig; got {config!r}. "
                "Options in a mapping are for BreakerRegistry"
            )
        config = config or BreakerConfig()
        self._live_by(home.machine(name, config), home, name, config)

    def _live_by(self, machine: Machine, home: Home, name: str, config: BreakerConfig) -> None:
        self._home = home
        self._name = name
        self._config = config
        self._machine = machine
        self._use = Use(home, machine, config)
        self._parent = self._key = ""
        self._partitions = Partitions(name, self._partition)

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self._name!r} in {self._home.store.describe()}>"

    @property
    def name(self) -> str:
        """The breaker's name."""
        return self._name

    @property
    def config(self) -> BreakerConfig:
        """The breaker's configuration."""
        return self._config

    # -- partitions --------------------------------------------------------------------------

    def for_key(self, key: str) -> CircuitBreaker:
        """Return the partition for *key*: a breaker of its own with this one's configuration.

        *key*, such as a tenant or a host, is a text of 1 to 100 printable characters; anything
        else raises ConfigurationError, and so does asking a partition. A process keeps the 1,000
        partitions used last, and closed ones go first; with a shared store one that went finds
        its state there again.
        """
        if self._parent:
            raise ConfigurationError(
                f"{self._name!r} is a partition already, and has none of its own; ask "
                f"{self._parent!r} with a key that says all, such as for_key('tenant/host')"
            )
        return self._partitions.get(key)

    def partitions(self) -> list[CircuitBreaker]:
        """Return the partitions that this process keeps, by name."""
        return self._partitions.all()

    # -- calling -----------------------------------------------------------------------------

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``fn(*args, **kwargs)`` returns, or raise what it raises.

        Raises CircuitOpenError without calling *fn* when the breaker rejects and no fallback is
        configured; with one, returns what that answers. May wait for the store, up to twice its
        budget of 0.25 seconds.
        """
        use = self._use
        held = use.machine.gate
        if held is not None:  # the fast path, as in guard.py
            began = 0.0 if use.slow_after is None else use.clock()
            try:
                result = fn(*args, **kwargs) if kwargs else fn(*args)  # type: ignore[call-arg]
            except BaseException as error:
                if use.fail(held, error, began) is Outcome.FAILURE and use.rescues:
                    return rescued(use, error, args, kwargs)  # type: ignore[no-any-return]
                raise
            if type(result) is CoroutineType:
                _refuse_coroutine(cast("CoroutineType[Any, Any, Any]", result), fn)
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
        _refuse_async(fn, "call_async")
        try:
            call = use.begin()
        except CircuitOpenError as rejected:
            fallback = use.take_fallback()
            if fallback is None:
                raise
            answer: T = fallback(rejected, *args, **kwargs)
            return answer
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            if call.fail(error) is Outcome.FAILURE and use.rescues:
                return rescued(use, error, args, kwargs)  # type: ignore[no-any-return]
            raise
        call.succeed(result)
        return result

    async def call_async(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what ``await fn(*args, **kwargs)`` returns; else as ``call``.

        Waiting for the store happens in a thread, never in the event loop.
        """
        use = self._use
        held = use.machine.gate
        if held is not None:  # the fast path, as in guard.py
            began = 0.0 if use.slow_after is None else use.clock()
            try:
                result = await (fn(*args, **kwargs) if kwargs else fn(*args))  # type: ignore[call-arg]
            except BaseException as error:
                if use.fail(held, error, began) is Outcome.FAILURE and use.rescues:
                    return await rescued_async(use, error, args, kwargs)  # type: ignore[no-any-return]
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
            call = await use.begin_async()
        except CircuitOpenError as rejected:
            fallback = use.take_fallback()
            if fallback is None:
                raise
            answer: Any = fallback(rejected, *args, **kwargs)
            return await answer if isinstance(answer, Awaitable) else answer  # type: ignore[no-any-return]
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            if await call.fail_async(error) is Outcome.FAILURE and use.rescues:
                return await rescued_async(use, error, args, kwargs)  # type: ignore[no-any-return]
            raise
        await call.succeed_async(result)
        return result

    def attempt(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Attempt[T]:
        """Call ``fn(*args, **kwargs)`` and return how that went, for a ``match`` statement.

        Success(value), Failure(error) with what *fn* raised, or Rejected(retry_after, error). The
        breaker counts as in ``call``; a configured fallback is not used, for it would hide what
        happened. A BaseException that is no Exception, such as KeyboardInterrupt, is raised.
        """
        _refuse_async(fn, "attempt_async")
        try:
            call = self._use.begin()
        except CircuitOpenError as rejected:
            return Rejected(rejected.retry_after, rejected)
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            if isinstance(error, Exception):
                return Failure(error)
            raise
        call.succeed(result)
        return Success(result)

    async def attempt_async(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Attempt[T]:
        """Await ``fn(*args, **kwargs)`` and return how that went; else as ``attempt``.

        A cancelled task is cancelled: CancelledError is raised.
        """
        try:
            call = await self._use.begin_async()
        except CircuitOpenError as rejected:
            return Rejected(rejected.retry_after, rejected)
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            await call.fail_async(error)
            if isinstance(error, Exception):
                return Failure(error)
            raise
        await call.succeed_async(result)
        return Success(result)

    def admit(self) -> Permit:
        """Let a call in whose end is told later, anywhere: ``admit().succeeded()`` and so on.

        Raises CircuitOpenError; a configured fallback is not used. May wait for the store.
        """
        return Permit(self._use.begin())

    async def admit_async(self) -> Permit:
        """As ``admit``; waits for the store in a thread."""
        return Permit(await self._use.begin_async())

    @overload
    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]: ...

    @overload
    def __call__(
        self,
        /,
        *,
        fallback: Callable[..., Any] | str | None = ...,
        failure_if: Callable[[Any], object] | str | None = ...,
        failure_on: Exceptions = ...,
        ignore: Exceptions = ...,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]: ...

    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Decorate *fn*: ``@breaker``, or ``@breaker(fallback=…)`` with options for this use.

        Works on functions and async functions. Raises ConfigurationError for generators.
        """
        use = self.use_with(options)
        if fn is not None:
            return guarded(fn, use)
        return lambda function: guarded(function, use)

    def use_with(self, options: dict[str, Any]) -> Use:
        """Return this breaker with other *options* for one use; see ``PER_USE``."""
        if not options:
            return self._use
        place = f"breaker({self._name!r}, …)"
        for name in options:
            if name in option_names() and name not in PER_USE:
                raise ConfigurationError(
                    f"{place}: {name!r} is the same for every use, so it belongs to the options of "
                    f"the breaker itself; for one use there are {', '.join(PER_USE)}"
                )
        refuse_unknown(options, PER_USE, place=place, kind="option for one use")
        try:
            config = replace(self._config, **options)
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {error}") from error.__cause__
        return Use(self._home, self._machine, config)

    def guard(self) -> Guard:
        """Return a fresh guard for one ``with`` or ``async with`` block."""
        return Guard(self._use)

    def _source(self) -> Source:
        return self._use

    # -- looking -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state, as fresh as ``refresh_interval`` says; reading it changes nothing."""
        return self.snapshot().state

    def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """Return all that is known of the breaker; may wait for the store, changes nothing.

        As fresh as ``refresh_interval`` says, or with *fresh* as of now.
        """
        if fresh:
            self._home.look_now()
        look = self._machine.look(self._use.terms)
        self._home.tell(self._machine)
        found = snapshot_of(self._name, look, self._config)
        return replace(found, parent=self._parent, key=self._key) if self._parent else found

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* of every event of this breaker's registry; returns how to stop that."""
        return self._home.listeners.add(listener)

    # -- acting ------------------------------------------------------------------------------

    def reset(self, *, by: str = "", reason: str = "", expected_epoch: str | None = None) -> None:
        """Close it and zero its counts; ends back-off and override.

        Like every act: raises BreakerError when it could not be stored. With *expected_epoch*
        (``snapshot().epoch``) it raises StaleActError, and changes nothing, when the state or an
        override has changed since that was looked at.
        """
        words = {"by": _words(by), "reason": _words(reason)}
        self._act(Reset(expected_epoch=expected_epoch, **words, **here()))  # type: ignore[arg-type]

    def try_now(self, *, by: str = "", reason: str = "") -> None:
        """Let an open breaker take its next call as a trial."""
        self._act(TryNow(by=_words(by), reason=_words(reason), **here()))  # type: ignore[arg-type]

    def force_open(
        self, *, by: str = "", reason: str = "", for_: float | timedelta | None = None
    ) -> None:
        """Reject all calls for *for_* (seconds or timedelta); None: until ended by hand."""
        self._force(OverrideKind.FORCED_OPEN, by, reason, for_)

    def force_closed(
        self, *, by: str = "", reason: str = "", for_: float | timedelta | None = None
    ) -> None:
        """Let all calls pass for *for_* (seconds or timedelta); None: until ended by hand."""
        self._force(OverrideKind.FORCED_CLOSED, by, reason, for_)

    def clear_override(self, *, by: str = "", reason: str = "") -> None:
        """End the override; the machine goes on from where it is."""
        self._act(ClearOverride(by=_words(by), reason=_words(reason), **here()))  # type: ignore[arg-type]

    def _force(
        self, kind: OverrideKind, by: str, reason: str, for_: float | timedelta | None
    ) -> None:
        length = check_length("for_", for_)
        self._act(Force(kind=kind, seconds=length, by=_words(by), reason=_words(reason), **here()))  # type: ignore[arg-type]

    def _act(self, event: Act) -> None:
        try:
            decision = self._machine.act(event, self._use.terms)
        finally:
            self._home.tell(self._machine)
        if decision.stale:
            raise StaleActError(
                f"{self._name}: it has changed since it was looked at; nothing was changed"
            )


def _refuse_coroutine(result: CoroutineType[Any, Any, Any], fn: object) -> None:
    """Refuse what a call returned that only begins when it is awaited."""
    result.close()
    raise ConfigurationError(f"{fn!r} is asynchronous: use 'await breaker.call_async(…)'")


def _refuse_async(fn: Callable[..., Any], instead: str) -> None:
    if is_async(fn):
        raise ConfigurationError(f"{fn!r} is asynchronous: use 'await breaker.{instead}(…)'")


def _words(text: object) -> str:
    """Return what somebody gave as a text: a user object names itself, None says nothing."""
    return "" if text is None else str(text)
