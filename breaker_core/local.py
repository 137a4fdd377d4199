"""The machine in memory: one record for all threads and tasks of one process."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from breaker_core.decide import Act, Admit, Decision, Ended, Event, Ignored, Succeeded, decide
from breaker_core.machine import Look, Pass, Streak, Terms, Wall, here, rejection
from breaker_core.record import Record, State, new_id, start
from breaker_core.tally import Tally
from breaker_core.told import tell_of
from breaker_core.window import EpochWindow, window_of

if TYPE_CHECKING:
    from breaker_core.clock import Clock
    from breaker_core.config import BreakerConfig
    from breaker_core.events import BreakerEvent


class LocalMachine:
    """One breaker, known to this process alone."""

    __slots__ = (
        *("__weakref__", "_config", "_lock", "_window", "_window_epoch"),
        *("gate", "name", "outbox", "record", "tally", "wall"),
    )

    def __init__(self, name: str, config: BreakerConfig, clock: Clock) -> None:
        self.name = name
        self.record = start(name, clock.now())
        self.tally = Tally()
        self.outbox: deque[BreakerEvent] = deque()
        self.gate: Pass | None = None
        self.wall: Wall | None = None
        self._lock = threading.RLock()
        self._config = config
        self._window: EpochWindow | None = None
        self._window_epoch = ""
        self._tend(Terms(config, clock, config))

    def try_admit(self, terms: Terms) -> Pass | None:
        """Return a pass or raise CircuitOpenError; memory always knows."""
        gate = self.gate
        if gate is not None:
            return gate
        event = Admit(permit=new_id(), **here())  # type: ignore[arg-type]
        record, decision, now = self._apply(event, terms)
        if not decision.admitted:
            raise rejection(record, decision, now)
        return Pass(
            record.epoch,
            self.tally.successes,
            permit=decision.permit,
            counted=decision.counted,
        )

    def admit(self, terms: Terms) -> Pass:
        """Return a pass or raise CircuitOpenError."""
        held = self.try_admit(terms)
        assert held is not None
        return held

    def note(self, held: Pass, event: Ended, terms: Terms) -> bool:
        """Take down the end of a call; there is never anything to send."""
        self._apply(event, terms)
        return False

    def fail(self, held: Pass, error: str, terms: Terms) -> bool:
        """Take down a failure that does no more than lengthen the streak; false if it may."""
        limit = terms.config.failure_threshold
        now = terms.clock.now()
        self._lock.acquire()  # half the price of a with block, and every failure pays it
        try:
            streak = held.streak
            if held is not self.gate or streak is None or self._window is not None:
                return False
            if held.clean:
                held.clean = False
                streak.clear()
            if limit is not None and streak.count + 1 >= limit:
                return False
            streak.lengthen(now, error)
            return True
        finally:
            self._lock.release()

    def roll(self, held: Pass, now: float) -> None:
        """Count the successes of *held* so far into the grain of the window that has ended."""
        with self._lock:
            if held.window is not None and held.window is self._window:
                held.window.roll(now)

    def flush(self) -> None:
        """Do nothing: what was noted is already done."""

    def act(self, event: Act, terms: Terms) -> Decision:
        """Do an operator's act."""
        return self._apply(event, terms)[1]

    def look(self, terms: Terms) -> Look:
        """Return how things stand."""
        with self._lock:
            self._take_marks()
            record = self.record
            window, at = self._window, terms.clock.monotonic()
            counts = None if window is None else window.counts(at)
        now = terms.clock.now()
        return Look(
            record=record,
            own=None,
            now=now,
            own_now=now,
            store="memory",
            age=0.0,
            tally=self.tally.totals(),
            counts=counts,
        )

    def _apply(self, event: Event, terms: Terms) -> tuple[Record, Decision, float]:
        now = terms.clock.now()
        with self._lock:
            self._take_marks()
            if isinstance(event, Ended) and self._window is not None:
                event = self._counted(event, terms)
            before, after, decision = self._change(event, now, terms)
            self._tend(terms)
            if decision.transition is not None:
                self.outbox.extend(tell_of(before, event, decision.transition))
        return after, decision, now

    def _counted(self, event: Ended, terms: Terms) -> Ended:
        """Return *event* with what the window holds, itself included."""
        says_nothing = isinstance(event, Ignored) and not event.slow
        if says_nothing or event.epoch != self._window_epoch or event.epoch != self.record.epoch:
            return event
        assert self._window is not None
        failed = not isinstance(event, Succeeded | Ignored)
        counts = self._window.end(terms.clock.monotonic(), failed=failed, slow=event.slow)
        return replace(event, window=counts)

    def _change(self, event: Event, now: float, terms: Terms) -> tuple[Record, Record, Decision]:
        """Make the record what *event* makes of it; return it before and after, and the decision.

        A signal handler or a finaliser may come in between and change the record in this very
        thread, so what it is now is looked at again before it is replaced.
        """
        while True:
            before = self.record
            after, decision = decide(before, event, now, terms.config)
            if self.record is before:
                self.record = after
                return before, after, decision

    def _take_marks(self) -> None:
        """Say to the record what only left a mark: successes, and failures beside it."""
        gate = self.gate
        if gate is None or gate.streak is None:
            return
        if gate.clean:
            gate.clean = False
            gate.streak.clear()
        self.record = gate.streak.fold(self.record)

    def _tend(self, terms: Terms) -> None:
        """Keep gate, wall and window true to the record, also when an override has just ended."""
        record, gate = self.record, self.gate
        override = record.in_force(terms.clock.now())
        if record.state is State.CLOSED and self._window_epoch != record.epoch:
            self._new_window(terms)
        if record.state is not State.CLOSED or override is not None:
            self.gate = None
        elif gate is None or gate.epoch != record.epoch:
            self.gate = self._new_gate()
        elif gate.streak is not None:
            gate.streak = Streak(record)
        shut = record.state is State.OPEN and override is None and not terms.config.shadow
        if not shut or record.open_until is None:
            self.wall = None
        elif self.wall is None or self.wall.until != record.open_until:
            self.wall = Wall(record, terms.clock, record.open_until)

    def _new_window(self, terms: Terms) -> None:
        self._window_epoch = self.record.epoch
        window = window_of(self._config)
        if window is not None:
            self._window = EpochWindow(window, self.tally.tick(), terms.clock.monotonic())

    def _new_gate(self) -> Pass:
        tick = self.tally.successes if self._window is None else self._window.tick
        made = Pass(self.record.epoch, tick, window=self._window)
        made.streak = Streak(self.record)
        return made

    def after_fork(self) -> None:
        """Replace the lock: its holder may not exist in this process."""
        self._lock = threading.RLock()
