"""Clocks. Every time in this package comes from one of these, never from ``time`` directly."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the breakers need of a clock; both in seconds."""

    def now(self) -> float:
        """The time that records hold, comparable between the users of one store."""
        ...

    def monotonic(self) -> float:
        """A time that never steps, meaningful in this process only."""
        ...


class WallClock:
    """Wall time, for what is shared between hosts."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class SteadyClock:
    """Wall time as it was at the start, running on the monotonic clock: for one process.

    Nothing that somebody sets the host's clock to can lengthen or shorten an open time.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    monotonic = staticmethod(time.monotonic)
