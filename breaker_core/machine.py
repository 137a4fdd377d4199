"""What a breaker needs of the machine behind it, and the passes that the machine hands out.

There are three: ``LocalMachine`` (memory), ``FleetMachine`` (a shared store) and ``NoMachine``
(switched off). A machine keeps the records and asks ``decide``; it never decides by itself.
Whatever may wait for a store has "may block" in its description: asynchronous callers run that in
a thread.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from breaker_core.decide import Act, Decision, Ended, reason_of
from breaker_core.errors import CircuitOpenError

if TYPE_CHECKING:
    from collections import deque

    from breaker_core.clock import Clock
    from breaker_core.config import BreakerConfig
    from breaker_core.events import BreakerEvent
    from breaker_core.record import Record
    from breaker_core.tally import Tally, Tick
    from breaker_core.window import Counts, EpochWindow


class Pass:
    """What a call holds while it runs: the epochs that admitted it, and its permits.

    While closed, all calls of one epoch share one pass: a success then only leaves a mark on it
    (``clean``), and the next failure takes the mark for the success that it was. A late outcome
    marks a pass that nobody looks at any more.
    """

    __slots__ = (
        *("clean", "counted", "ended", "epoch", "own_epoch", "own_permit", "permit"),
        *("streak", "tick", "window"),
    )

    def __init__(
        self,
        epoch: str,
        tick: Tick,
        *,
        permit: str | None = None,
        own_epoch: str = "",
        own_permit: str | None = None,
        counted: bool = True,
        window: EpochWindow | None = None,
    ) -> None:
        self.epoch = epoch
        self.tick = tick
        self.permit = permit
        self.own_epoch = own_epoch
        self.own_permit = own_permit
        self.counted = counted
        self.window = window
        self.streak: Streak | None = None
        self.clean = False
        self.ended = False

    @property
    def is_trial(self) -> bool:
        return self.permit is not None or self.own_permit is not None


class Streak:
    """The failures in a row of one epoch that cannot open yet, counted beside the record.

    A record is made anew at each change, which costs as much as twenty failing calls. So while a
    failure can do nothing but lengthen the streak, it only does that here, under the machine's
    lock; ``fold`` says it to the record before anything is decided or shown. A test holds it
    against ``decide``.
    """

    __slots__ = ("at", "count", "error", "since")

    def __init__(self, record: Record) -> None:
        self.count = record.streak
        self.since = record.streak_since
        self.error = record.last_error
        self.at = record.last_error_at

    def clear(self) -> None:
        """Forget the failures: a call succeeded."""
        self.count = 0
        self.since = None

    def lengthen(self, now: float, error: str) -> None:
        """Count one more failure."""
        if not self.count:
            self.since = now
        self.count += 1
        self.error = error
        self.at = now

    def fold(self, record: Record) -> Record:
        """Return *record* with what was counted here."""
        if self.count == record.streak and self.at == record.last_error_at:
            return record
        return replace(
            record,
            number=record.number + 1,
            streak=self.count,
            streak_since=self.since,
            last_error=self.error,
            last_error_at=self.at,
        )


class Wall:
    """Why every call is rejected, and until when: made once per opening, read without a lock."""

    __slots__ = ("name", "now", "reason", "state", "text", "until")

    def __init__(self, record: Record, clock: Clock, until: float) -> None:
        self.name = record.name
        self.state = record.state
        self.reason = reason_of(record, clock.now())
        self.text = record.last_error
        self.until = until
        self.now = clock.now


@dataclass(frozen=True, slots=True)
class Terms:
    """On whose terms a machine acts: one use's configuration, and its clock."""

    config: BreakerConfig
    clock: Clock
    own: BreakerConfig
    """The configuration as a process's own record follows it: one trial at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a breaker stands, as one process sees it. Taking it changes nothing."""

    record: Record
    own: Record | None
    """This process's own record; None where there is only one."""
    now: float
    own_now: float
    store: str
    """memory, ok, unreachable or off."""
    age: float
    """Seconds since the shared record was last confirmed; 0 in memory."""
    tally: dict[str, int]
    seen: bool = True
    """False while the store was never reached."""
    counts: Counts | None = None
    """What the window holds; None where no rate is judged."""


class Machine(Protocol):
    """One breaker in this process."""

    gate: Pass | None
    """The pass to take without asking; None sends a call to ``try_admit``."""
    wall: Wall | None
    """Set while every call is rejected, whoever asks and wherever; None where one must ask."""
    outbox: deque[BreakerEvent]
    """What listeners are still to be told; the breaker empties it, holding no lock."""
    tally: Tally

    def try_admit(self, terms: Terms) -> Pass | None:
        """Return a pass, or None when only ``admit`` can tell. Raises CircuitOpenError."""
        ...

    def admit(self, terms: Terms) -> Pass:
        """Return a pass; may block. Raises CircuitOpenError."""
        ...

    def note(self, held: Pass, event: Ended, terms: Terms) -> bool:
        """Take down the end of a call; true when ``flush`` has something to send."""
        ...

    def fail(self, held: Pass, error: str, terms: Terms) -> bool:
        """Take down a failure that does no more than lengthen the streak; false if it may."""
        ...

    def roll(self, held: Pass, now: float) -> None:
        """Count the successes of *held* so far into the grain of the window that has ended."""
        ...

    def flush(self) -> None:
        """Send what was noted; may block, never raises."""
        ...

    def act(self, event: Act, terms: Terms) -> Decision:
        """Do an operator's act; may block. Raises BreakerError when it was not stored."""
        ...

    def look(self, terms: Terms) -> Look:
        """Return how things stand; may block while a stale view is refreshed."""
        ...


def rejection(record: Record, decision: Decision, now: float) -> CircuitOpenError:
    """Return the error for a call that *decision* rejects by *record*."""
    return CircuitOpenError(
        record.name,
        record.state,
        decision.retry_after,
        reason_of(record, now),
        record.last_error,
    )


HOST = socket.gethostname()


def here() -> dict[str, str | int]:
    """Return where this process is, as the fields of an event."""
    return {"host": HOST, "process": os.getpid()}
