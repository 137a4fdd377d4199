"""What a breaker needs of the machine behind it, and the passes that the machine hands out.

There are three: ``LocalMachine`` (memory), ``FleetMachine`` (a shared store) and ``NoMachine``
(switched off). A machine keeps the records and asks ``decide``; it never decides by itself.
Whatever may wait for a store has "may block" in its description: asynchronous callers run that in
a thread.
"""

from __future__ import annotations

import itertools
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from breaker_core.decide import Act, Decision, Ended, reason_of
from breaker_core.errors import CircuitOpenError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator

    from breaker_core.clock import Clock
    from breaker_core.config import BreakerConfig
    from breaker_core.events import BreakerEvent
    from breaker_core.record import Record, State

MANY = 10**15


class Tally:
    """Counts of one breaker in this process, for people: nothing is decided by them.

    Successes are counted by taking from an iterator, which costs less than adding to a number
    and loses nothing between threads.
    """

    __slots__ = ("failures", "fallbacks", "ignored", "rejections", "successes", "waved")

    def __init__(self) -> None:
        self.successes: Iterator[None] = itertools.repeat(None, MANY)
        self.failures = 0
        self.ignored = 0
        self.rejections = 0
        self.fallbacks = 0
        self.waved = 0
        """Calls that passed only because of shadow mode or an override."""

    def totals(self) -> dict[str, int]:
        """Return the counts since the process began, by name."""
        successes = MANY - self.successes.__length_hint__()  # type: ignore[attr-defined]
        return {
            "calls": successes + self.failures + self.ignored,
            "successes": successes,
            "failures": self.failures,
            "ignored": self.ignored,
            "rejections": self.rejections,
            "fallbacks": self.fallbacks,
            "would_have_rejected": self.waved,
        }


class Pass:
    """What a call holds while it runs: the epochs that admitted it, and its permits.

    While closed, all calls of one epoch share one pass: a success then only leaves a mark on it
    (``clean``), and the next failure takes the mark for the success that it was. A late outcome
    marks a pass that nobody looks at any more.
    """

    __slots__ = ("clean", "counted", "ended", "epoch", "own_epoch", "own_permit", "permit", "tick")

    def __init__(
        self,
        epoch: str,
        tick: Iterator[None],
        *,
        permit: str | None = None,
        own_epoch: str = "",
        own_permit: str | None = None,
        counted: bool = True,
    ) -> None:
        self.epoch = epoch
        self.tick = tick
        self.permit = permit
        self.own_epoch = own_epoch
        self.own_permit = own_permit
        self.counted = counted
        self.clean = False
        self.ended = False

    @property
    def is_trial(self) -> bool:
        return self.permit is not None or self.own_permit is not None


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


class Machine(Protocol):
    """One breaker in this process."""

    gate: Pass | None
    """The pass to take without asking; None sends a call to ``try_admit``."""
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

    def flush(self) -> None:
        """Send what was noted; may block, never raises."""
        ...

    def act(self, event: Act, terms: Terms) -> Decision:
        """Do an operator's act; may block. Raises BreakerError when it was not stored."""
        ...

    def look(self, terms: Terms) -> Look:
        """Return how things stand; may block while a stale view is refreshed."""
        ...


def rejection(
    record: Record, decision: Decision, now: float, *, state: State | None = None
) -> CircuitOpenError:
    """Return the error for a call that *decision* rejects by *record*."""
    return CircuitOpenError(
        record.name,
        state or record.state,
        decision.retry_after,
        reason_of(record, now),
        record.last_error,
    )


HOST = socket.gethostname()


def here() -> dict[str, str | int]:
    """Return where this process is, as the fields of an event."""
    return {"host": HOST, "process": os.getpid()}
