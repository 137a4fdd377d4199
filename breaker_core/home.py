"""Where a registry's breakers live: their store, clock, listeners and conventions."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from breaker_core.clock import Clock, SteadyClock, WallClock
from breaker_core.errors import ConfigurationError
from breaker_core.events import Listeners, log
from breaker_core.fleet import FleetMachine
from breaker_core.machine import Machine, Terms
from breaker_core.off import NoMachine
from breaker_core.outcomes import NO_CONVENTIONS, Conventions
from breaker_core.process import Process
from breaker_core.stores.base import SharedStore
from breaker_core.stores.memory import MemoryStore

if TYPE_CHECKING:
    from breaker_core.config import BreakerConfig
    from breaker_core.guard import Call

logger = logging.getLogger("breaker")

Store = MemoryStore | SharedStore


class Home:
    """What the breakers of one registry have in common. Making one asks no store."""

    def __init__(
        self,
        store: Store | None = None,
        clock: Clock | None = None,
        *,
        conventions: Conventions = NO_CONVENTIONS,
        enabled: bool = True,
    ) -> None:
        self.store = MemoryStore() if store is None else store
        if not isinstance(self.store, MemoryStore | SharedStore):
            raise ConfigurationError(
                "store must be MemoryStore(), CacheStore(cache) or a subclass of SharedStore; "
                f"got {store!r}"
            )
        self.conventions = conventions
        self.enabled = enabled
        self.listeners = Listeners()
        self._complained = False
        self.forgotten: deque[Call] = deque()
        """Calls whose permits were dropped without an end; a finaliser can do no more."""
        self.listeners.add(log)
        self.process: Process | None = None
        if isinstance(self.store, SharedStore):
            self.clock: Clock = clock or WallClock()
            self.process = Process(self.store, self.clock)
        else:
            self.clock = clock or SteadyClock()

    def machine(self, name: str, config: BreakerConfig) -> Machine:
        """Return the machine of breaker *name* in this home."""
        if not self.enabled:
            return NoMachine(name, self.clock.now())
        if self.process is None:
            assert isinstance(self.store, MemoryStore)
            return self.store.machine(name, config, self.clock)
        return FleetMachine(name, self.process, config)

    def partition(self, name: str, config: BreakerConfig) -> Machine:
        """Return the machine of partition *name*: one that is still held by somebody, or a new."""
        if self.enabled and self.process is not None:
            return self.process.machines.get(name) or FleetMachine(name, self.process, config)
        if self.enabled and isinstance(self.store, MemoryStore):
            return self.store.partition(name, config, self.clock)
        return self.machine(name, config)

    def terms(self, config: BreakerConfig) -> Terms:
        """Return the terms on which a use with *config* asks a machine of this home."""
        return Terms(config, self.clock, replace(config, half_open_max_calls=1))

    def look_now(self) -> None:
        """Look at the store, however young the views are: for what a person is shown."""
        if self.process is not None and self.enabled:
            self.process.refresh(for_call=False)

    def tell(self, machine: Machine) -> None:
        """Tell the listeners what has happened since; called while no lock is held."""
        outbox = machine.outbox
        while outbox:
            try:
                event = outbox.popleft()
            except IndexError:  # another thread took the last one
                return
            self.listeners.tell(event)

    def take_back(self) -> None:
        """Abandon the forgotten calls; may block, never raises."""
        with suppress(IndexError):  # another thread took the last one
            while self.forgotten:
                self.forgotten.popleft().forget()

    def complain(self, what: str) -> None:
        """Log the error being handled, which is a mistake of this package; once per registry."""
        level = logging.DEBUG if self._complained else logging.ERROR
        self._complained = True
        logger.log(level, "%s", what, exc_info=True)
