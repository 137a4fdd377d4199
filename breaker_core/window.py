"""Counting the calls that a rate is judged on: the last so many seconds, or the last so many calls.

A window counts what it is told; it reads no clock and judges nothing (that is ``decide``). Both
kinds say exactly the same after a success that was reported late, in a batch: so the calls that
succeed need not report one by one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from breaker_core.config import BreakerConfig
    from breaker_core.tally import Tick

GRAINS = 20
"""Into how many steps a time window is cut: it looks back 95 to 100 % of its length."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The calls of a window: all that ended, and how many of them failed or were slow."""

    calls: int = 0
    failures: int = 0
    slow: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.calls + other.calls, self.failures + other.failures, self.slow + other.slow
        )


class Window(Protocol):
    """Calls counted over time or number."""

    def add(self, now: float, calls: int, *, failed: bool = False, slow: bool = False) -> None:
        """Count *calls* that ended by *now*; *failed* and *slow* speak of the last of them."""
        ...

    def counts(self, now: float) -> Counts:
        """Return what the window holds at *now*."""
        ...

    def grain_ends(self, now: float) -> float:
        """Return until when calls may be reported in one batch; infinite if that is for ever."""
        ...


class TimeWindow:
    """The calls of the last *length* seconds, in steps of a twentieth."""

    def __init__(self, length: float) -> None:
        self._grain = length / GRAINS
        self._steps: deque[tuple[int, Counts]] = deque()

    def add(self, now: float, calls: int, *, failed: bool = False, slow: bool = False) -> None:
        step = self._step(now)
        new = Counts(calls, int(failed), int(slow))
        if self._steps and self._steps[-1][0] >= step:
            latest, counts = self._steps[-1]
            self._steps[-1] = (latest, counts + new)
        else:
            self._steps.append((step, new))
        self._forget(now)

    def counts(self, now: float) -> Counts:
        self._forget(now)
        total = Counts()
        for _, counts in self._steps:
            total += counts
        return total

    def grain_ends(self, now: float) -> float:
        return (self._step(now) + 1) * self._grain

    def _forget(self, now: float) -> None:
        """Drop every step that is too old, however many have passed since the last call."""
        oldest = self._step(now) - GRAINS
        while self._steps and self._steps[0][0] <= oldest:
            self._steps.popleft()

    def _step(self, now: float) -> int:
        return int(now // self._grain)


class CallWindow:
    """The last *size* calls: their number, and which of them failed or were slow."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ended = 0
        self._failures: deque[int] = deque()
        self._slow: deque[int] = deque()

    def add(self, now: float, calls: int, *, failed: bool = False, slow: bool = False) -> None:
        self._ended += calls
        if failed:
            self._failures.append(self._ended)
        if slow:
            self._slow.append(self._ended)
        oldest = self._ended - self._size
        for numbers in (self._failures, self._slow):
            while numbers and numbers[0] <= oldest:
                numbers.popleft()

    def counts(self, now: float) -> Counts:
        return Counts(min(self._ended, self._size), len(self._failures), len(self._slow))

    def grain_ends(self, now: float) -> float:
        return float("inf")


def window_of(config: BreakerConfig) -> Window | None:
    """Return an empty window as *config* wants it; None when it judges no rate."""
    if not config.judges_rates:
        return None
    if config.window_calls is not None:
        return CallWindow(config.window_calls)
    return TimeWindow(float(config.window))  # type: ignore[arg-type]  # kept as seconds


class EpochWindow:
    """The window of one epoch, and the successes of its calls that only took a tick.

    A success takes one from *tick* and says nothing more. How many have been taken is looked up
    when a grain of the window ends and when a call fails, which is soon enough to be exact.
    """

    __slots__ = ("_at", "_reported", "_window", "rolls_at", "tick")

    def __init__(self, window: Window, tick: Tick, now: float) -> None:
        self.tick = tick
        self.rolls_at = window.grain_ends(now)
        """Until when a success need not look at the clock."""
        self._window = window
        self._at = now
        self._reported = tick.taken()

    def roll(self, now: float) -> None:
        """Count the successes so far into the grain in which they ended."""
        taken = self.tick.taken()
        if taken > self._reported:
            self._window.add(self._at, taken - self._reported)
            self._reported = taken
        self._at = now
        self.rolls_at = self._window.grain_ends(now)

    def end(self, now: float, *, failed: bool, slow: bool) -> Counts:
        """Count a call that says so itself; return what the window holds with it."""
        self.roll(now)
        self._window.add(now, 1, failed=failed, slow=slow)
        return self._window.counts(now)

    def counts(self, now: float) -> Counts:
        """Return what the window holds at *now*."""
        self.roll(now)
        return self._window.counts(now)
