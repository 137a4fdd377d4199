"""What several test modules of the Django adapter need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_breaker import breakers

if TYPE_CHECKING:
    from breaker_core import CircuitBreaker


class DownError(Exception):
    """The dependency is down."""


def fail(name: str, times: int = 1) -> CircuitBreaker:
    """Let *times* calls of breaker *name* fail; return it."""
    guarded = breakers[name]
    for _ in range(times):
        try:
            guarded.call(_down)
        except DownError:
            continue
    return guarded


def _down() -> None:
    raise DownError


def trip(name: str) -> CircuitBreaker:
    """Let breaker *name* open."""
    threshold = breakers[name].config.failure_threshold
    assert threshold is not None
    return fail(name, threshold)
