"""State in the memory of one process: for tests, scripts and sites with a single worker."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

from breaker_core.local import LocalMachine

if TYPE_CHECKING:
    from breaker_core.clock import Clock
    from breaker_core.config import BreakerConfig


class MemoryStore:
    """Keeps breakers in this process. Breakers of one name on one MemoryStore are one breaker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._machines: dict[str, LocalMachine] = {}
        self._partitions: weakref.WeakValueDictionary[str, LocalMachine] = (
            weakref.WeakValueDictionary()
        )
        _stores.add(self)

    def machine(self, name: str, config: BreakerConfig, clock: Clock) -> LocalMachine:
        """Return the machine of breaker *name*; the first *config* says what its windows are."""
        with self._lock:
            if name not in self._machines:
                self._machines[name] = LocalMachine(name, config, clock)
            return self._machines[name]

    def partition(self, name: str, config: BreakerConfig, clock: Clock) -> LocalMachine:
        """Return the machine of partition *name*, which is forgotten when nobody holds it."""
        with self._lock:
            found = self._partitions.get(name)
            if found is None:
                found = self._partitions[name] = LocalMachine(name, config, clock)
            return found

    def describe(self) -> str:
        """Return what operators call this store."""
        return "memory of this process"

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def after_fork(self) -> None:
        """Replace the locks: their holders may not exist in this process."""
        self._lock = threading.Lock()
        for machine in [*self._machines.values(), *self._partitions.values()]:
            machine.after_fork()


_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
