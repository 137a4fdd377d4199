"""The machine in memory: one record for all threads and tasks of one process."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from breaker_core.decide import Act, Admit, Decision, Ended, Event, Succeeded, decide
from breaker_core.machine import Look, Pass, Tally, Terms, here, rejection
from breaker_core.record import Record, State, new_id, start
from breaker_core.told import tell_of

if TYPE_CHECKING:
    from breaker_core.events import BreakerEvent


class LocalMachine:
    """One breaker, known to this process alone."""

    __slots__ = ("__weakref__", "_lock", "gate", "name", "outbox", "record", "tally")

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.record = start(name, now)
        self.tally = Tally()
        self.outbox: deque[BreakerEvent] = deque()
        self.gate: Pass | None = None
        self._lock = threading.RLock()
        self._tend_gate(now)

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
        if held is self.gate and type(event) is Succeeded:
            held.clean = True
        else:
            self._apply(event, terms)
        return False

    def flush(self) -> None:
        """Do nothing: what was noted is already done."""

    def act(self, event: Act, terms: Terms) -> Decision:
        """Do an operator's act."""
        return self._apply(event, terms)[1]

    def look(self, terms: Terms) -> Look:
        """Return how things stand."""
        with self._lock:
            self._take_mark(terms, terms.clock.now())
            record = self.record
        now = terms.clock.now()
        return Look(
            record=record,
            own=None,
            now=now,
            own_now=now,
            store="memory",
            age=0.0,
            tally=self.tally.totals(),
        )

    def _apply(self, event: Event, terms: Terms) -> tuple[Record, Decision, float]:
        now = terms.clock.now()
        with self._lock:
            self._take_mark(terms, now)
            before, after, decision = self._change(event, now, terms)
            self._tend_gate(now)
            if decision.transition is not None:
                self.outbox.extend(tell_of(before, event, decision.transition))
        return after, decision, now

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

    def _take_mark(self, terms: Terms, now: float) -> None:
        """Make good the success that only left a mark."""
        gate = self.gate
        if gate is not None and gate.clean:
            gate.clean = False
            if self.record.streak:
                self._change(Succeeded(epoch=gate.epoch), now, terms)

    def _tend_gate(self, now: float) -> None:
        """Open or shut the gate: also when an override has ended since the last call."""
        record, gate = self.record, self.gate
        if record.state is not State.CLOSED or record.in_force(now) is not None:
            self.gate = None
        elif gate is None or gate.epoch != record.epoch:
            self.gate = Pass(record.epoch, self.tally.successes)

    def after_fork(self) -> None:
        """Replace the lock: its holder may not exist in this process."""
        self._lock = threading.RLock()
