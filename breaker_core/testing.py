"""Helpers for tests of code that uses breakers."""

from __future__ import annotations

from breaker_core.isolation import isolated_breakers, shared_breakers

__all__ = ["FakeClock", "isolated_breakers", "shared_breakers"]


class FakeClock:
    """A clock that stands still until a test moves it.

    ``now()`` is the time that records hold, ``monotonic()`` the process's own; ``advance`` moves
    both, ``set_wrong`` shifts only the first, as a host with a wrong clock would see it.
    """

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._start = float(start)
        self._passed = 0.0
        self._wrong_by = 0.0

    def now(self) -> float:
        return self._start + self._passed + self._wrong_by

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; a negative number is refused with ValueError."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: advance({seconds!r})")
        self._passed += seconds

    def set_wrong(self, seconds: float) -> None:
        """Make ``now()`` wrong by *seconds* (negative: slow) while time goes on as before."""
        self._wrong_by = seconds
