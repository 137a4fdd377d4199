"""A breaker by name, found only when it is needed: for decorators that run at import time."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from breaker_core.breaker import CircuitBreaker, Guard
from breaker_core.guard import Call, Use, guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from breaker_core.machine import Pass

P = ParamSpec("P")
T = TypeVar("T")


class _Unresolved:
    """Stands where a use will be: its gate is shut, so every call asks ``begin``."""

    class machine:  # noqa: N801 - it is an attribute like any other use's
        gate: Pass | None = None

    judge = None


_UNRESOLVED: Any = _Unresolved()


class LazyBreaker:
    """What ``breaker("payments")`` gives: a decorator, and a context manager for one block.

    *find* returns the breaker and is asked at the first call; with *keep* false at every call,
    because another application may be meant. Each ``with`` needs a LazyBreaker of its own.
    """

    def __init__(
        self,
        name: str,
        find: Callable[[], CircuitBreaker],
        options: dict[str, Any],
        *,
        keep: bool = True,
    ) -> None:
        self.name = name
        self.use: Use = _UNRESOLVED
        self._find = find
        self._options = options
        self._keep = keep
        self._found: weakref.WeakKeyDictionary[CircuitBreaker, Use] = weakref.WeakKeyDictionary()
        self._guard: Guard | None = None

    def forget(self) -> None:
        """Look the breaker up again at the next call: settings have changed."""
        self.use = _UNRESOLVED

    def resolve(self) -> Use:
        """Return the breaker's use as it is now configured; raises what *find* raises."""
        if self.use is not _UNRESOLVED:
            return self.use
        breaker = self._find()
        use = self._found.get(breaker)
        if use is None:
            use = self._found[breaker] = breaker.use_with(self._options)
        if self._keep:
            self.use = use
        return use

    def begin(self) -> Call:
        """Let a call in; may block. Raises CircuitOpenError."""
        return self.resolve().begin()

    async def begin_async(self) -> Call:
        """Let a call in without blocking the loop. Raises CircuitOpenError."""
        return await self.resolve().begin_async()

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate *fn*."""
        with _lock:
            _lazies.add(self)
        wrapper: Callable[P, T] = guarded(fn, self)
        return wrapper

    def __enter__(self) -> LazyBreaker:
        self._guard = Guard(self)
        self._guard.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._guard is not None
        self._guard.__exit__(kind, error, traceback)

    async def __aenter__(self) -> LazyBreaker:
        self._guard = Guard(self)
        await self._guard.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._guard is not None
        await self._guard.__aexit__(kind, error, traceback)


_lazies: weakref.WeakSet[LazyBreaker] = weakref.WeakSet()


_lock = threading.Lock()


def forget_all() -> None:
    """Look every breaker up again at its next call: settings or the store have changed."""
    with _lock:
        decorating = list(_lazies)
    for each in decorating:
        each.forget()
