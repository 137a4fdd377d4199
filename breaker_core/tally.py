"""Counts of one breaker in this process, for people: nothing is decided by them.

Successes are counted by taking from an iterator, which costs less than adding to a number and
loses nothing between threads (see benchmarks/README.md).
"""

from __future__ import annotations

import itertools

MANY = 10**15
KEPT_TICKS = 8
"""Epochs whose late successes are still counted."""


class Tick(itertools.repeat):  # type: ignore[type-arg]
    """Counts by ``next(tick)``, without a lock and without making a number."""

    def __new__(cls) -> Tick:
        return super().__new__(cls, None, MANY)

    def taken(self) -> int:
        """Return how many were taken."""
        return MANY - self.__length_hint__()


class Tally:
    """What this process has counted since it began."""

    __slots__ = (
        *("_gone", "_ticks", "failures", "fallbacks"),
        *("ignored", "rejections", "successes", "waved"),
    )

    def __init__(self) -> None:
        self.successes = Tick()
        self.failures = 0
        self.ignored = 0
        self.rejections = 0
        self.fallbacks = 0
        self.waved = 0
        """Calls that passed only because of shadow mode or an override."""
        self._ticks: list[Tick] = []
        self._gone = 0

    def tick(self) -> Tick:
        """Return a counter of successes of its own, for one epoch; the totals include it."""
        made = Tick()
        self._ticks.append(made)
        if len(self._ticks) > KEPT_TICKS:
            self._gone += self._ticks.pop(0).taken()
        return made

    def totals(self) -> dict[str, int]:
        """Return the counts since the process began, by name."""
        successes = self._gone + sum(each.taken() for each in (self.successes, *self._ticks))
        return {
            "calls": successes + self.failures + self.ignored,
            "successes": successes,
            "failures": self.failures,
            "ignored": self.ignored,
            "rejections": self.rejections,
            "fallbacks": self.fallbacks,
            "would_have_rejected": self.waved,
        }
