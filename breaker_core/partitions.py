"""Partitions: breakers made on demand from one configuration, one for each tenant or host.

This module decides how they are called and which of them a process keeps. A partition that is let
go lives on while a decorator, a call or a permit still holds it, and is then found again; its
shared record stays in the store in any case.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from breaker_core.config import NAME_LIMIT, shown
from breaker_core.errors import ConfigurationError
from breaker_core.fleet import FleetMachine
from breaker_core.forks import ForkSafeLock
from breaker_core.record import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from breaker_core.breaker import CircuitBreaker
    from breaker_core.machine import Machine

MOST_PARTITIONS = 1000
"""Partitions of one breaker that a process keeps."""

_ESCAPED = str.maketrans({"%": "%25", "[": "%5B", "]": "%5D"})


def partition_name(parent: str, key: str) -> str:
    """Return what the partition of *parent* for *key* is called: ``payments[acme]``.

    Brackets and per cent signs of the key are written as in URLs, so that the last ``[`` is the
    one between name and key, and no two pairs have one name.
    """
    return f"{parent}[{key.translate(_ESCAPED)}]"


def parent_of(name: str) -> str:
    """Return whose partition is called *name*; an empty text when it is no such name."""
    parent, bracket, key = name.rpartition("[")
    return parent if bracket and len(key) > 1 and key.endswith("]") else ""


class Partitions:
    """The partitions of one breaker that this process keeps, the least recently used first.

    When there are too many, the least recently used goes: one that is closed, without an override,
    as long as there is one. *make* makes a partition by its name and key.
    """

    def __init__(self, parent: str, make: Callable[[str, str], CircuitBreaker]) -> None:
        self._parent = parent
        self._make = make
        self._kept: OrderedDict[str, CircuitBreaker] = OrderedDict()
        self._lock = ForkSafeLock()

    def get(self, key: str) -> CircuitBreaker:
        """Return the partition for *key*; raises ConfigurationError for what can be no key."""
        name = partition_name(self._parent, check_key(key))
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                if len(self._kept) >= MOST_PARTITIONS:
                    self._let_one_go()
                found = self._kept[name] = self._make(name, key)
            self._kept.move_to_end(name)
            return found

    def known(self, name: str) -> CircuitBreaker | None:
        """Return the partition called *name*, if this process keeps it."""
        return self._kept.get(name)

    def all(self) -> list[CircuitBreaker]:
        """Return the partitions that this process keeps, by name."""
        with self._lock:
            kept = list(self._kept.values())
        return sorted(kept, key=lambda each: each.name)

    def _let_one_go(self) -> None:
        resting = (name for name, each in self._kept.items() if _rests(each._machine))
        del self._kept[next(resting, next(iter(self._kept)))]


def _rests(machine: Machine) -> bool:
    """Whether *machine*, as this process last saw it, is closed and without an override."""
    if isinstance(machine, FleetMachine):
        record, own = machine._view(), machine._own
        return (
            record.state is State.CLOSED and record.override is None and own.state is State.CLOSED
        )
    return machine.gate is not None


def check_key(key: Any) -> str:
    """Return *key* if a partition may have it; else raise ConfigurationError."""
    if not isinstance(key, str):
        raise ConfigurationError(
            f"for_key takes a text, such as for_key(str(tenant.pk)); got {shown(key)}"
        )
    if not 1 <= len(key) <= NAME_LIMIT or not key.isprintable():
        raise ConfigurationError(
            f"a partition's key must be a text of 1 to {NAME_LIMIT} printable characters; "
            f"got {shown(key)}"
        )
    return key
