"""One process's side of a shared store: when to look, when to stay away, what to say of itself.

All breakers of a registry look at the store together: one read per interval, whatever their
number. A store in trouble is left alone for a while (1 s, doubling to 30 s), one caller at a time
tries it again, and nothing of that is ever raised to a protected call: whoever asks gets ``Away``
and goes on alone.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from breaker_core.clock import Clock, WallClock
from breaker_core.events import BreakerEvent, StoreChanged
from breaker_core.machine import HOST
from breaker_core.record import clip, new_id
from breaker_core.stores.base import SeenText, SharedStore, Stored
from breaker_core.summary import SUMMARY_EVERY, Summaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from breaker_core.fleet import FleetMachine

logger = logging.getLogger("breaker")
T = TypeVar("T")

_HOST_IN_KEYS = re.sub("[^A-Za-z0-9.-]", "-", HOST)[:60]

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds to stay away from a store in trouble: the first time, and at most."""
MOST_NEWS = 5
"""Summaries besides the regular ones in the time between two of these."""


class Away(Exception):  # noqa: N818 - it is said to callers, not about an error
    """The store cannot be asked now. Never leaves this package."""


class Process:
    """The store as this process knows it, and the breakers that look at it together."""

    def __init__(self, store: SharedStore, clock: Clock | None = None) -> None:
        self.store = store
        self.clock: Clock = clock or WallClock()
        self.outbox: deque[BreakerEvent] = deque()
        self.machines: weakref.WeakValueDictionary[str, FleetMachine] = (
            weakref.WeakValueDictionary()
        )
        """By name, as long as a breaker, a decorator or a call holds them."""
        self.interval = 1.0
        self.summaries = Summaries(self)
        self._became()
        _processes.add(self)

    def _became(self) -> None:
        """Begin as a new process: at first, and in the child after a fork."""
        self.id = f"{_HOST_IN_KEYS}:{os.getpid()}:{new_id()}"
        self.offset = self.clock.now() - self.clock.monotonic()
        self.refused = ""
        self._lock = threading.RLock()  # a signal handler may call in
        self._refreshing = threading.Lock()
        self._next_refresh = float("-inf")
        self._proved = False
        self._away_until: float | None = None
        self._write_away_until: float | None = None
        self._mistaken = False
        self._pause = FIRST_PAUSE
        self._summary_due = float("-inf")
        self._news: list[float] = []
        self.outbox.clear()  # the parent tells what the parent did

    def after_fork(self) -> None:
        """Forget locks, connections and plans that belonged to the parent."""
        self.store.after_fork()
        self._became()
        for machine in list(self.machines.values()):
            machine.after_fork()

    def steady_now(self) -> float:
        """Return wall time as it was at the start, running on the monotonic clock."""
        return self.offset + self.clock.monotonic()

    @property
    def reachable(self) -> bool:
        """Whether the last operation on the store went well."""
        return self._away_until is None and self._write_away_until is None and not self.refused

    # -- asking the store --------------------------------------------------------------------

    def load(self, keys: Iterable[str]) -> Mapping[str, SeenText]:
        """Return *keys* as the store has them; raises Away. May block."""
        wanted = list(keys)
        return self._ask(lambda: self.store.load(wanted))

    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        """Compare-and-set; raises Away only while the store is known to be in trouble."""
        self._stay_away_or_try()
        self._leave_writing_or_try()
        try:
            result = self.store.replace(key, seen, text, seconds=seconds)
        except Exception as error:  # a store that breaks its promise must hurt nobody
            logger.debug("breaker store raised in replace: %s", error)
            return Stored.UNCLEAR
        if result is not Stored.UNCLEAR:
            self._well(wrote=True)
        return result

    def publish(self, key: str, text: str, *, seconds: int) -> None:
        """Set what this process alone writes; raises Away."""
        self._stay_away_or_try()
        self._leave_writing_or_try()
        try:
            self.store.publish(key, text, seconds=seconds)
        except Exception as error:
            raise self.trouble(error, write=True) from None
        self._well(wrote=True)

    def trouble(self, error: object, *, write: bool = False) -> Away:
        """Take down that the store failed; return what to raise.

        With *write* it failed to take what was written, as a full or read-only server does: it is
        still asked how things stand.
        """
        with self._lock:
            first = self.reachable
            until = self.clock.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            if write:
                self._write_away_until = until
            else:
                self._away_until = until
        if first:
            self._tell_store(reachable=False, error=_text_of(error))
        return Away(str(error))

    def away_for(self, error: Exception) -> None:
        """Take *error*, met while the store was asked, for trouble of the store.

        Anything but Away is a mistake of this package or of a store, and is logged as such, once.
        """
        if isinstance(error, Away):
            return
        level = logging.DEBUG if self._mistaken else logging.ERROR
        self._mistaken = True
        logger.log(level, "a look at the breaker store failed in an unexpected way", exc_info=error)
        self.trouble(error)

    def _ask(self, operation: Callable[[], T]) -> T:
        self._stay_away_or_try()
        try:
            answer = operation()
        except Exception as error:
            raise self.trouble(error) from None
        self._well()
        return answer

    def _stay_away_or_try(self) -> None:
        """Raise Away while in trouble, except to the one caller that may try again."""
        if self.refused:
            raise Away(self.refused)
        if self._away_until is not None:
            with self._lock:
                now = self.clock.monotonic()
                if self._away_until is not None and now < self._away_until:
                    raise Away("the store is left alone for a while")
                if self._away_until is not None:
                    self._away_until = now + self._pause  # the others wait for this caller
        if not self._proved:
            self._prove()

    def _leave_writing_or_try(self) -> None:
        """Raise Away while nothing can be written, except to the one caller that may try again."""
        with self._lock:
            if self._write_away_until is None:
                return
            now = self.clock.monotonic()
            if now < self._write_away_until:
                raise Away("the store takes no changes; it is left alone for a while")
            self._write_away_until = now + self._pause

    def _prove(self) -> None:
        """Try the store's compare-and-set once, before anything rests on it."""
        self._proved = True
        try:
            wrong = self.store.probe()
        except Exception as error:
            self._proved = False
            raise self.trouble(error) from None
        if wrong is not None:
            self.refused = (
                f"{self.store.describe()} cannot share breakers: {wrong}. "
                "Use Redis, Valkey, Memcached with CAS, or a database table"
            )
            logger.error("%s. Each process goes on alone.", self.refused)
            self._tell_store(reachable=False, error=self.refused)
            raise Away(self.refused)

    def _well(self, *, wrote: bool = False) -> None:
        """Take down that the store answered, or, if it *wrote*, that it took a change."""
        if self.reachable or (self._away_until is None and not wrote):
            return
        with self._lock:
            if self._away_until is not None:
                self._away_until = None
                self._next_refresh = float("-inf")  # what was done alone ends now
            if wrote:
                self._write_away_until = None
            if not self.reachable:
                return
            self._pause = FIRST_PAUSE
        self._tell_store(reachable=True, error="")

    def _tell_store(self, *, reachable: bool, error: str) -> None:
        self.outbox.append(
            StoreChanged(store=self.store.describe(), reachable=reachable, error=error)
        )

    # -- looking together --------------------------------------------------------------------

    def attach(self, machine: FleetMachine) -> None:
        """Let *machine* be refreshed with the others, at the smallest interval of all."""
        self.machines[machine.name] = machine
        self.interval = min(each.interval for each in list(self.machines.values()))
        # Its first call looks at its own key, so the others need not be looked at again for it.
        soon = self.clock.monotonic() + self.interval
        self._next_refresh = min(self._next_refresh, soon)

    def refresh_due(self) -> bool:
        """Whether the next call should look at the store."""
        return self.clock.monotonic() >= self._next_refresh

    def refresh(self, *, for_call: bool = True) -> None:
        """Look at the store for all breakers; may block, never raises.

        A look for a call is made by one caller, while the others go on with what they have. Only
        such a look starts keys that are missing and says something of this process; one for a
        page changes nothing, and does not count as the calls' own.
        """
        if for_call and not self._refreshing.acquire(blocking=False):
            return
        try:
            self._look_at_all(for_call)
        except Exception as error:
            self.away_for(error)
            self._go_alone()
        finally:
            if for_call:
                self._refreshing.release()

    def _look_at_all(self, for_call: bool) -> None:
        machines = {each.key: (each, each.adoptions) for each in list(self.machines.values())}
        loaded = self.load(machines)
        if for_call:
            spread = random.uniform(0.8, 1.0)  # so that workers do not march in step
            self._next_refresh = self.clock.monotonic() + self.interval * spread
        for key, (machine, asked) in machines.items():
            machine.take(loaded.get(key, SeenText(None)), asked, may_start=for_call)
        if for_call:
            self.speak()

    def speak(self, *, news: bool = False) -> None:
        """Say how this process stands, if it is time or there is *news*; may block, never raises.

        News are failures and transitions: on a quiet site an operator sees them at once, and a
        storm of them costs no more than one summary a second.
        """
        now = self.clock.monotonic()
        if now < self._summary_due and not (news and self._news_allowed(now)):
            return
        self._summary_due = now + SUMMARY_EVERY
        try:
            self.summaries.publish()
        except Exception as error:  # statistics are not state: nothing else suffers
            if not isinstance(error, Away):
                logger.debug("a summary could not be published", exc_info=error)

    def _news_allowed(self, now: float) -> bool:
        self._news = [at for at in self._news if now - at < SUMMARY_EVERY]
        if len(self._news) >= MOST_NEWS:
            return False
        self._news.append(now)
        return True

    def _go_alone(self) -> None:
        if self._away_until is not None:
            self._next_refresh = self._away_until
        for machine in list(self.machines.values()):
            machine.go_alone()


def _text_of(error: object) -> str:
    return clip(f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error))


_processes: weakref.WeakSet[Process] = weakref.WeakSet()


def _after_fork() -> None:
    for process in list(_processes):
        process.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
