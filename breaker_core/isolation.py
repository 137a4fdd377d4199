"""Keeping the state of a site's tests in memory, made anew for each test.

The adapters ask ``current()`` before they make a registry: inside an isolation every registry
keeps its state in memory and is thrown away at the end. Nothing here knows a framework.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from breaker_core.lazy import forget_all

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from breaker_core.registry import BreakerRegistry

__all__ = [
    "Isolation",
    "current",
    "forget_all",
    "isolated_breakers",
    "shared_breakers",
    "suspended",
]


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


@contextmanager
def isolated_breakers() -> Iterator[None]:
    """Keep the state of all breakers in memory, made anew, inside this block.

    Also a decorator of functions. It holds for the whole process, all threads included.
    """
    with _entered(Isolation()):
        yield


@contextmanager
def shared_breakers() -> Iterator[None]:
    """Use the configured store inside this block, although a test runs."""
    with _entered(None):
        yield


@contextmanager
def _entered(isolation: Isolation | None) -> Iterator[None]:
    _stack.append(isolation)
    forget_all()
    try:
        yield
    finally:
        _stack.pop()
        forget_all()
