"""The machine of a breaker that is switched off: every call passes, nothing is counted."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from breaker_core.errors import BreakerError
from breaker_core.machine import Look, Pass, Terms, Wall
from breaker_core.record import start
from breaker_core.tally import Tally

if TYPE_CHECKING:
    from breaker_core.decide import Act, Decision, Ended
    from breaker_core.events import BreakerEvent


class NoMachine:
    """Lets every call pass."""

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self._record = start(name, now)
        self.tally = Tally()
        self.outbox: deque[BreakerEvent] = deque()
        self.gate: Pass | None = Pass(self._record.epoch, self.tally.successes)
        self.wall: Wall | None = None

    def try_admit(self, terms: Terms) -> Pass | None:
        """Return the pass that every call gets."""
        return self.gate

    def admit(self, terms: Terms) -> Pass:
        """Return the pass that every call gets."""
        assert self.gate is not None
        return self.gate

    def note(self, held: Pass, event: Ended, terms: Terms) -> bool:
        """Let the outcome change nothing."""
        return False

    def fail(self, held: Pass, error: str, terms: Terms) -> bool:
        """Let the failure change nothing."""
        return True

    def roll(self, held: Pass, now: float) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def act(self, event: Act, terms: Terms) -> Decision:
        """Refuse: an act that has no effect must not look as if it had one."""
        raise BreakerError(
            f"{self.name}: breakers are switched off in this process (BREAKER_ENABLED is False)"
        )

    def look(self, terms: Terms) -> Look:
        """Return a closed breaker, and say that it is off."""
        now = terms.clock.now()
        return Look(
            record=self._record,
            own=None,
            now=now,
            own_now=now,
            store="off",
            age=0.0,
            tally=self.tally.totals(),
        )
