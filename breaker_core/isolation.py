"""Keeping the state of a site's tests in memory, made anew for each test.

The adapters ask ``current()`` before they make a registry: inside an isolation every registry
keeps its state in memory and is thrown away at the end. Nothing here knows a framework.
"""

from __future__ import annotations

import functools
import inspect
import threading
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from breaker_core.lazy import forget_all

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from breaker_core.registry import BreakerRegistry

__all__ = [
    "Isolation",
    "current",
    "forget_all",
    "isolated_breakers",
    "shared_breakers",
    "suspended",
]


F = TypeVar("F", bound="Callable[..., Any]")


class Isolation:
    """The registries of one test."""

    def __init__(self) -> None:
        self._registries: dict[Hashable, BreakerRegistry] = {}
        self._lock = threading.RLock()

    def registry(self, owner: Hashable, make: Callable[[], BreakerRegistry]) -> BreakerRegistry:
        """Return the registry of *owner* (an application), made by *make* at first."""
        with self._lock:
            if owner not in self._registries:
                self._registries[owner] = make()
            return self._registries[owner]

    def forget(self, owner: Hashable) -> None:
        """Make the registry of *owner* anew at the next use: its settings have changed."""
        with self._lock:
            self._registries.pop(owner, None)


_stack: list[Isolation | None] = []


def current() -> Isolation | None:
    """Return the isolation that the running test is in; None outside, or where it asked out."""
    return _stack[-1] if _stack else None


def suspended() -> bool:
    """Whether the innermost block asked for the real store."""
    return bool(_stack) and _stack[-1] is None


class _Block(ContextDecorator):
    """A block in which breakers are found elsewhere; a decorator of plain and async functions."""

    def __init__(self, make: Callable[[], Isolation | None]) -> None:
        self._make = make

    def __enter__(self) -> None:
        _stack.append(self._make())
        forget_all()

    def __exit__(self, *_: object) -> None:
        _stack.pop()
        forget_all()

    def __call__(self, fn: F) -> F:
        if not inspect.iscoroutinefunction(fn):
            return super().__call__(fn)

        @functools.wraps(fn)
        async def isolated(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await fn(*args, **kwargs)

        return cast("F", isolated)


def isolated_breakers() -> _Block:
    """Keep the state of all breakers in memory, made anew, inside this block.

    Also a decorator of functions. It holds for the whole process, all threads included.
    """
    return _Block(Isolation)


def shared_breakers() -> _Block:
    """Use the configured store inside this block, although a test runs."""
    return _Block(lambda: None)
