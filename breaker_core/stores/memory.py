"""State in the memory of one process: for tests, scripts and sites with a single worker."""

from __future__ import annotations

import threading

from breaker_core.local import LocalMachine


class MemoryStore:
    """Keeps breakers in this process. Breakers of one name on one MemoryStore are one breaker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._machines: dict[str, LocalMachine] = {}

    def machine(self, name: str, now: float) -> LocalMachine:
        """Return the machine of breaker *name*, made at *now* if it is new."""
        with self._lock:
            if name not in self._machines:
                self._machines[name] = LocalMachine(name, now)
            return self._machines[name]

    def describe(self) -> str:
        """Return what operators call this store."""
        return "memory of this process"

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""
