"""A breaker by name, found only when it is needed: for decorators that run at import time."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from breaker_core.blocks import Blocks
from breaker_core.forks import ForkSafeLock
from breaker_core.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from breaker_core.breaker import CircuitBreaker
    from breaker_core.guard import Call, Source, Use
    from breaker_core.machine import Pass

P = ParamSpec("P")
T = TypeVar("T")


class _Unresolved:
    """Stands where a use will be: its gate is shut, so every call asks ``begin``."""

    class machine:  # noqa: N801 - it is an attribute like any other use's
        gate: Pass | None = None

    @staticmethod
    def refusal() -> None:
        """Know nothing yet."""


_UNRESOLVED: Any = _Unresolved()


class LazyBreaker(Blocks):
    """What ``breaker("payments")`` gives: a decorator, and a context manager for any blocks.

    *find* returns the breaker. It is asked by each block, and by a decorated function at its
    first call; with *keep* false at every call, because another application may be meant.
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
        self._decorates = False

    def forget(self) -> None:
        """Look the breaker up again at the next call: settings have changed."""
        self.use = _UNRESOLVED

    def resolve(self) -> Use:
        """Return the breaker's use as it is now configured; raises what *find* raises."""
        use = self.use
        if use is not _UNRESOLVED:
            return use
        asked_in = _era
        breaker = self._find()
        found = self._found.get(breaker)
        if found is None:
            found = self._found[breaker] = breaker.use_with(self._options)
        if self._keep and self._decorates:
            self._keep_if_current(found, asked_in)
        return found

    def _keep_if_current(self, use: Use, asked_in: object) -> None:
        """Keep *use*, unless everything was to be forgotten while it was looked up."""
        with _lock:
            if asked_in is _era:
                self.use = use

    def begin(self) -> Call:
        """Let a call in; may block. Raises CircuitOpenError."""
        return self.resolve().begin()

    async def begin_async(self) -> Call:
        """Let a call in without blocking the loop. Raises CircuitOpenError."""
        return await self.resolve().begin_async()

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate *fn*."""
        with _lock:
            self._decorates = True
            _lazies.add(self)
        wrapper: Callable[P, T] = guarded(fn, self)
        return wrapper

    def _source(self) -> Source:
        return self


_lazies: weakref.WeakSet[LazyBreaker] = weakref.WeakSet()
"""Those that decorate, and so may keep what they found."""
_lock = ForkSafeLock()
_era: object = object()
"""Another one since everything was last forgotten."""


def forget_all() -> None:
    """Look every breaker up again at its next call: settings or the store have changed."""
    global _era  # noqa: PLW0603 - decorators are made at import time and know no registry
    with _lock:
        _era = object()
        for each in list(_lazies):
            each.forget()
